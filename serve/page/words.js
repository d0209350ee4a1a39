// The words of the page, in each of its languages, and the language that it speaks.
export const WORDS = {
  en: {
    clips: "Clips", live: "Live", language: "Language", prompt: "What should it show?", model: "Model", frames: "Frames",
    seed: "Seed", any: "any", given: "Begin with a picture or a clip", image: "First picture",
    last_image: "Last picture", video: "Clip to continue", make: "Make a clip", stop: "Stop",
    again: "Again with another seed", download: "Download", good: "Good clip", bad: "Bad clip", history: "Made before",
    queued: "waiting", in_progress: "being made", completed: "done", failed: "failed", play: "Play",
    say: "Change the words", playing: "playing without end; change the words at any time", ended: "ended",
    cut: "New words begin a new scene", lost: "The server cannot be reached.", key: "This server asks for a key:", deleted: "deleted",
    delete: "Delete", stage: "Clip", progress: "Progress", view: "View", empty: "Clips that you make stand here.", seconds: "s",
    unplayable: "This browser cannot play clips while they are made.",
    screen: "World", arrows: "Directions", others: "Other keys", anew: "Begin anew", record: "Record", frame: "Frame",
    steered: "Play with the arrow keys, space and the letters below.", unknown: "This world has no key", warming: "warming up",
    recording: "being recorded", recorded: "recorded",
  },
  zh: {
    clips: "片段", live: "实时", language: "语言", prompt: "想看什么？", model: "模型", frames: "帧数",
    seed: "随机种子", any: "任意", given: "以图片或视频开头", image: "首帧图片",
    last_image: "末帧图片", video: "要续写的视频", make: "生成", stop: "停止",
    again: "换一个种子再来", download: "下载", good: "喜欢", bad: "不喜欢", history: "生成记录",
    queued: "排队中", in_progress: "生成中", completed: "完成", failed: "失败", play: "播放",
    say: "更换描述", playing: "持续播放中，可随时更换描述", ended: "已结束",
    cut: "新描述开启新场景", lost: "无法连接服务器。", key: "此服务器需要密钥：", deleted: "已删除",
    delete: "删除", stage: "片段", progress: "进度", view: "视图", empty: "生成的片段会显示在这里。", seconds: "秒",
    unplayable: "此浏览器无法边生成边播放。",
    screen: "世界", arrows: "方向", others: "其他按键", anew: "重新开始", record: "录制", frame: "帧",
    steered: "用方向键、空格和下方字母键游玩。", unknown: "这个世界没有按键", warming: "正在准备",
    recording: "正在录制", recorded: "录制完成",
  },
};

export let language = localStorage.getItem("language") ?? (navigator.language.startsWith("zh") ? "zh" : "en");

export const word = (name) => WORDS[language][name] ?? name;

export function speakIn(chosen) {
  language = chosen;
  localStorage.setItem("language", chosen);
}
