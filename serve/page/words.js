// The words of the page in each of its languages, and the language that is chosen.
export const WORDS = {
  en: {
    clips: "Clips", live: "Live", language: "Language", view: "View", model: "Model", seed: "Seed", any: "random",
    prompt: "What should it show?", understands: "What this model understands", search: "Search its pictures",
    more: "{n} more: type to search", nothing: "No picture is called that.",
    english: "In English, such as: {words}", either: "In English or Chinese, such as: {words}", free: "Any words",
    is_demo: "A coloured digit that moves over black and says its name. It reads a few words of English and Chinese.",
    is_emoji: "Animated emoji, loops of three seconds. It reads what they are called, in English or Chinese.",
    is_crafter: "A world of grass, trees and caves that you play with keys.",
    other: "{size} pixels, {fps} frames a second", with_sound: "with sound", comma: ", ",
    length: "Length in seconds", cost: "About {n} s to make.", unknown_cost: "How long it takes is known after the first clip.",
    beyond: "It was trained on clips of at most {n} s: what comes later may fall apart.",
    compiles: "With other settings the first clip takes longer, because programs are compiled.",
    warming_cost: "The server is warming up: the first clip waits for that.",
    given: "Begin with a picture or a clip", image: "First picture", last_image: "Last picture", video: "Clip to continue",
    choose: "Choose, drop or paste a file", clear: "Clear", likes: "It knows pictures like those that it makes; others may turn into a pattern.",
    advanced: "Advanced", cfg_scale: "Guidance", top_k: "Top-k", temperature: "Temperature", upscale: "Times larger, 2 or 4", count: "Number of clips",
    extras: "Further settings: {words}",
    steering: "Say what moves, and how", as_it_likes: "as the model likes", by_numbers: "By numbers",
    paths: "Paths", draw_here: "Draw where it goes, or tap point by point.", drawn: "Paths on a frame of the clip",
    subjects: "Subjects", subject: "Subject {n}", points: "{n} points", clear_path: "Clear this path", point: "Point",
    at_seconds: "Seconds", across: "Across, %", down: "Down, %", add_point: "Add a point", remove: "Remove: {what}",
    camera: "Camera", place_of_camera: "Place of the camera", add_place_of_camera: "Add a place", orbit: "Around, degrees", zoom: "Zoom", rise: "Up, %",
    "camera static": "stands still", "camera circle left": "circles left", "camera circle right": "circles right",
    "camera zoom in": "zooms in", "camera zoom out": "zooms out", "camera rise": "rises",
    motion: "How much moves", control: "Clip to follow", control_kind: "What is followed of it",
    "kind edges": "its edges", "kind silhouette": "its silhouette", "kind depth": "its depth",
    shots: "Shots", shot: "Shot {n}", add_shot: "Add a shot", remove_shot: "Remove this shot", shot_cut: "Begins with a cut",
    shot_earlier: "Move earlier", shot_later: "Move later", save_shots: "Save the storyboard", load_shots: "Load a storyboard",
    no_shots: "This file holds no storyboard",
    prompt_of: "What should shot {n} show?", length_of: "Seconds of this shot", n_seconds: "{n} s",
    reference: "Picture of <{n}>", call: "Write {words} into the words",
    retake_this: "Make a part anew", anew_part: "Make a part of this clip anew", part: "The part that is made anew", from: "From", to: "To",
    make: "Make a clip", sending: "sending", stop: "Stop", stop_one: "Stop: {words}", no_words: "no words",
    again: "Again with another seed", continue: "Continue this clip", as_first: "Use as first picture",
    download: "Download", good: "Good clip", bad: "Bad clip", history: "History", older: "Show older clips",
    under_way: "Under way", queued: "waiting", place: "place {n} in the queue", in_progress: "being made", completed: "done",
    failed: "failed", stopped: "stopped", deleted: "Deleted.", undo: "Undo", delete: "Delete", read_as: "Read as: {words}",
    play: "Play", say: "Change the words", playing: "playing without end; change the words at any time", ended: "ended",
    cut: "New words begin a new scene",
    lost: "Connection lost. Trying again …", key: "This server asks for a key:",
    stage: "Clip", progress: "Progress", empty: "Clips you make appear here.",
    unplayable: "This browser cannot play clips while they are made.",
    screen: "World", arrows: "Directions", others: "Other keys", anew: "Begin anew", record: "Record", frame: "Frame",
    to_world: "Play this world", keys: "Its keys: {words}",
    steered: "Play with the arrow keys, space and the letters below.", unknown: "This world has no key", warming: "warming up",
    recording: "being recorded", recorded: "recorded",
  },
  zh: {
    clips: "生成", live: "实时", language: "语言", view: "视图", model: "模型", seed: "随机种子", any: "随机",
    prompt: "想生成什么画面？", understands: "此模型能听懂的内容", search: "搜索它认识的图案",
    more: "还有 {n} 个，可输入文字搜索", nothing: "没有叫这个名字的图案。",
    english: "请用英文，例如：{words}", either: "中英文均可，例如：{words}", free: "任意文字",
    is_demo: "黑底上移动的彩色数字，会念出自己的名字。它认识少量中文和英文的词。",
    is_emoji: "动态表情，每段约三秒。它认识表情的中英文名称。",
    is_crafter: "有草地、树木和洞穴的世界，用按键游玩。",
    other: "{size} 像素，每秒 {fps} 帧", with_sound: "有声音", comma: "，",
    length: "时长（秒）", cost: "大约需要 {n} 秒。", unknown_cost: "生成第一段视频后才知道需要多久。",
    beyond: "训练所用的视频最长 {n} 秒：超出部分的画面可能会崩坏。",
    compiles: "更改设置后，第一段视频需要先编译程序，会慢一些。",
    warming_cost: "服务器正在预热，第一段视频需要稍等。",
    given: "从图片或视频开始", image: "首帧图片", last_image: "末帧图片", video: "要续写的视频",
    choose: "选择、拖入或粘贴文件", clear: "清除", likes: "它只熟悉与自己作品相似的图片，其他图片可能变成花纹。",
    advanced: "高级设置", cfg_scale: "引导尺度", top_k: "Top-k", temperature: "温度", upscale: "放大倍数（2 或 4）", count: "生成数量",
    extras: "其他设置：{words}",
    steering: "控制画面运动", as_it_likes: "由模型决定", by_numbers: "用数字输入",
    paths: "运动轨迹", draw_here: "在画面上画出它的路线，或逐点点按。", drawn: "视频画面上的运动轨迹",
    subjects: "主体", subject: "主体 {n}", points: "{n} 个点", clear_path: "清除这条轨迹", point: "点",
    at_seconds: "秒", across: "横向 %", down: "纵向 %", add_point: "添加一个点", remove: "移除：{what}",
    camera: "镜头运动", place_of_camera: "镜头位置", add_place_of_camera: "添加一个位置", orbit: "环绕角度", zoom: "缩放", rise: "升高 %",
    "camera static": "固定", "camera circle left": "向左环绕", "camera circle right": "向右环绕",
    "camera zoom in": "推近", "camera zoom out": "拉远", "camera rise": "升高",
    motion: "运动幅度", control: "要跟随的视频", control_kind: "跟随它的什么",
    "kind edges": "边缘", "kind silhouette": "轮廓", "kind depth": "深度",
    shots: "分镜", shot: "分镜 {n}", add_shot: "添加分镜", remove_shot: "移除此分镜", shot_cut: "从此处切换镜头",
    shot_earlier: "前移", shot_later: "后移", save_shots: "保存分镜", load_shots: "载入分镜",
    no_shots: "此文件中没有分镜",
    prompt_of: "分镜 {n} 想生成什么画面？", length_of: "此分镜时长（秒）", n_seconds: "{n} 秒",
    reference: "<{n}> 的参考图", call: "在提示词中写入 {words}",
    retake_this: "重做其中一段", anew_part: "重做这段视频中的一段", part: "要重做的部分", from: "从", to: "到",
    make: "生成", sending: "正在发送", stop: "停止", stop_one: "停止：{words}", no_words: "没有提示词",
    again: "换个种子再生成", continue: "续写这段视频", as_first: "用作首帧图片",
    download: "下载", good: "喜欢", bad: "不喜欢", history: "生成记录", older: "显示更早的视频",
    under_way: "进行中", queued: "排队中", place: "排在第 {n} 位", in_progress: "生成中", completed: "完成",
    failed: "失败", stopped: "已停止", deleted: "已删除。", undo: "撤销", delete: "删除", read_as: "理解为：{words}",
    play: "播放", say: "更新提示词", playing: "持续播放中，可随时更新提示词", ended: "已结束",
    cut: "更新提示词时切换新场景",
    lost: "连接已断开，正在重试……", key: "此服务器需要密钥：",
    stage: "视频", progress: "进度", empty: "生成的视频会显示在这里。",
    unplayable: "此浏览器无法边生成边播放。",
    screen: "世界", arrows: "方向", others: "其他按键", anew: "重新开始", record: "录制", frame: "帧",
    to_world: "进入这个世界", keys: "它的按键：{words}",
    steered: "用方向键、空格和下方字母键游玩。", unknown: "这个世界没有按键", warming: "正在预热",
    recording: "正在录制", recorded: "录制完成",
  },
};

const hearers = [];
export let language = localStorage.getItem("language") ?? (navigator.language.startsWith("zh") ? "zh" : "en");

// A sentence of the page; {n} in it stands for the value n.
export const word = (name, values = {}) =>
  (WORDS[language][name] ?? name).replace(/{(\w+)}/g, (_, each) => values[each] ?? "");

export const has = (name) => name in WORDS[language];

// Call a function now, and again whenever the language changes.
export function spoken(hearer) {
  hearers.push(hearer);
  hearer();
}

export function speakIn(chosen) {
  language = chosen;
  localStorage.setItem("language", chosen);
  for (const hearer of hearers) hearer();
}

// Set the words of the page itself.
spoken(() => {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const each of document.querySelectorAll("[data-words]")) each.textContent = word(each.dataset.words);
  for (const each of document.querySelectorAll("[data-hint]")) each.placeholder = word(each.dataset.hint);
  for (const each of document.querySelectorAll("[data-label]")) each.ariaLabel = word(each.dataset.label);
});
