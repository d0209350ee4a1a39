// Translate sentences of the server into the language of the page: those that a visitor meets. Others stay English.
import { language } from "./words.js";

const QUOTED = `['"](.*)['"]`;
const FILES = { "the image": "首帧图片", "the last_image": "末帧图片", "the video": "所给的视频" };
const calledInChinese = (name) => FILES[name] ?? name.replace(/^keyframe (\d+)$/, "第 $1 帧的图片");
const CHINESE = [
  [`(.+) may not know ${QUOTED}: its captions have no (.+); nearest: (.+)`, "$1 可能不认识“$2”：它的训练文本里没有 $3；最接近的是 $4"],
  [`(.+) may not know ${QUOTED}: its captions have no (.+)`, "$1 可能不认识“$2”：它的训练文本里没有 $3"],
  [`(.+) may not know ${QUOTED}: it cannot read (.+)`, "$1 可能不认识“$2”：它读不懂 $3"],
  [`(.+) may not know ${QUOTED}: no caption of its training is like it; nearest: ${QUOTED}`, "$1 可能不认识“$2”：训练文本里最接近的是“$3”"],
  [`${QUOTED} reads no words: .*`, "模型“$1”不读文字：请不要写提示词，用它的按键来玩"],
  ["(.+) was trained on clips of (.+) alone: (.+) may come out empty", "$1 只用 $2 的视频训练过：$3 的画面可能是空的"],
  ["(.+) was trained at (.+) frames a second: at (.+) things move at another speed", "$1 只用每秒 $2 帧的视频训练过：每秒 $3 帧时运动速度会变"],
  ["(.+) never saw words change without a cut: the first ones may stay", "$1 没有学过不切镜头就改变的文字：画面可能一直按最初的文字"],
  ["(.+) redraws (.+) with what it knows: it has no codes for such a picture", (_, model, given) => `${model} 会用自己认识的画面重画${calledInChinese(given)}：它没有表示这种画面的编码`],
  [`${QUOTED} weighs or chooses nothing: all that stands in it counts as words`, "“$1”不是权重或选择：里面的内容都按文字来读"],
  ["(.+) makes a part anew by what is around it: words other than the clip's may change nothing", "$1 按前后画面重做这一段：与原视频不同的提示词可能不起作用"],
  ["(.+) never saw cuts around a part that is made anew: the shots beside it may leak into it", "$1 没有学过在切换的镜头之间重做：相邻镜头的内容可能混入"],
  ["track (\\d+) moves (.+) pixels a frame; the fastest in training was (.+)", "主体 $1 的轨迹每帧移动 $2 像素，训练中最快为 $3"],
  ["track (\\d+) comes near the edge: in training all were within (.+) to (.+) across and (.+) to (.+) down", "主体 $1 的轨迹太靠近边缘：训练中的轨迹横向都在 $2 到 $3，纵向都在 $4 到 $5 之间"],
  ["the camera circles (.+) degrees a frame; the fastest in training was (.+)", "镜头每帧环绕 $1 度，训练中最快为 $2"],
  ["the camera zooms (.+) percent a frame; the fastest in training was (.+)", "镜头每帧缩放 $1%，训练中最快为 $2%"],
  ["the camera rises (.+) percent of its distance a frame; the fastest in training was (.+)", "镜头每帧升高距离的 $1%，训练中最快为 $2%"],
  ["the prompt takes (\\d+) text tokens, but (\\d+) fit; say it in fewer words", "提示词占 $1 个词元，最多只能 $2 个；请写短一些"],
  ["the prompt has (\\d+) letters; at most (\\d+) are read", "提示词有 $1 个字符，最多 $2 个"],
  ["the queue is full", "排队已满，请稍后再试"],
  ["this key has as many videos under way as it may", "此密钥同时进行的任务已达上限"],
  ["this key has asked for enough in this minute", "此密钥本分钟的用量已达上限"],
  ["the server is shutting down", "服务器正在关闭"],
  ["the server has no space left; try again later", "服务器磁盘已满，请稍后再试"],
  ["the server failed; its log says how", "服务器出错，详见其日志"],
  ["too many live sessions; try again later", "实时播放的数量已达上限，请稍后再试"],
  [`${QUOTED} cannot be read as a picture.*`, "无法将“$1”读作图片，请使用完好的 PNG、JPEG、WebP 或 GIF 文件"],
  [`${QUOTED} cannot be read as a video.*`, "无法将“$1”读作视频，请换一个完好的文件"],
  ["a request may have (\\d+) MiB", "上传的文件太大，最多 $1 MiB"],
  ["the clip has (\\d+) pixels in all; at most (\\d+) are made", "视频太长或太大：共 $1 像素，最多 $2"],
  [`${QUOTED} was not trained (.*)`, "模型“$1”没有学过这种任务（$2）"],
].map(([pattern, words]) => [new RegExp(`^${pattern}$`, "s"), words]);

export function said(sentence) {
  if (language !== "zh" || !sentence) return sentence ?? "";
  const [pattern, words] = CHINESE.find(([pattern]) => pattern.test(sentence)) ?? [];
  return pattern ? sentence.replace(pattern, words) : sentence;
}
