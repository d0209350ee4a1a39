"""Names that people guess, because other libraries have them, and what is right here.

Every door asks these tables before it refuses a name: `reelm.NAME`, `model.NAME`, `reelm.load`, `Model.generate`, the
command line and the server.
"""

import difflib
from collections.abc import Collection, Mapping
from typing import NamedTuple


class Guesses(NamedTuple):
    """What people guess in one place: for each right name the wrong ones, and what is said of names without one."""

    right: Mapping[str, Collection[str]]
    absent: Mapping[str, str]


_DEVICE: dict[str, str] = dict.fromkeys(
    ("device", "gpu", "device_map"), "JAX takes the accelerator; JAX_PLATFORMS=cpu in the environment forbids that"
)

# Settings of a clip. The nearest spelling here would be another setting, or none.
OF_CLIPS = Guesses(
    {
        "cfg_scale": "guidance_scale guidance cfg guidance_strength".split(),
        "num_samples": "num_videos num_videos_per_prompt batch_size batch samples variations count n".split(),
        "num_frames": "frames length video_length".split(),
        "negative_prompt": "negative neg neg_prompt".split(),
        "seed": "generator random_seed key rng prng_key".split(),
        "height": ["h"],
        "width": ["w"],
        "fps": "fps_out framerate frame_rate".split(),
        "temperature": "temp t".split(),
        "motion": "motion_strength motion_bucket_id".split(),
        "upscale": "upsample scale enlarge".split(),
        "dtype": "precision fp16 half torch_dtype".split(),
        "image": "input input_image init_image first_frame first_image start_image start_frame".split(),
        "last_image": "end_image end_frame last_frame".split(),
        "video": "init_video input_video".split(),
        "audio": "sound music".split(),
        "mask": ["inpaint"],
        "reference": ["ref"],
        "references": ["ref"],
        "track": "trajectory path".split(),
        "tracks": "trajectory path".split(),
        "camera": ["cam"],
        "storyboard": "shots script".split(),
        "adapter": ["lora"],
        "adapters": ["lora"],
        "output": "out output_path output_file file filename dest save save_to".split(),
        "prompts": ["prompt_file"],
        "model": "checkpoint ckpt ckpt_path model_path".split(),
    },
    {
        **_DEVICE,
        **dict.fromkeys(
            ("steps", "num_steps", "num_inference_steps"), "codes are drawn one after another, without steps"
        ),
        **dict.fromkeys(("sampler", "scheduler"), "temperature, top_k, top_p and min_p say how codes are drawn"),
        **dict.fromkeys(("size", "resolution", "aspect_ratio"), "give height and width, in pixels"),
        **dict.fromkeys(("seconds", "duration"), "num_frames counts frames: 1 + seconds x fps"),
        "format": "the suffix of the file says it: .mp4, .gif, .webp or .png",
        "strength": "a picture or clip that is given stays as it is; control follows one loosely",
        **dict.fromkeys(
            ("no_audio", "mute", "silent"), "a model with sound makes it; leave it out when you play the file"
        ),
        "speed": "fps says how many frames are shown in a second",
        "depth": "give control and control_kind",
        "loop": "players repeat a .gif or .webp",
    },
)

# Options of a training.
OF_TRAINING = Guesses(
    {
        "loop.steps": "steps max_steps num_steps train_steps num_train_steps iterations".split(),
        "optimizer.learning_rate": "lr learning_rate".split(),
        "batch_size": "batch bs global_batch_size per_device_batch_size train_batch_size".split(),
        "batch_scale": "batch batch_size bs global_batch_size per_device_batch_size train_batch_size".split(),
        "tokens": "data dataset data_dir train_data".split(),
        "data.dataset": "data dataset data_dir train_data".split(),
        "workdir": "output output_dir out logdir log_dir save_dir run_dir".split(),
        "mesh": "gpus num_gpus devices num_devices tpus tp dp fsdp sharding strategy".split(),
        "start_from": "init_from finetune finetune_from pretrained checkpoint ckpt weights".split(),
        "dtype": "precision bf16 fp16 mixed_precision".split(),
        "accumulate": "grad_accum gradient_accumulation_steps accumulate_grad_batches".split(),
        "remat": "gradient_checkpointing activation_checkpointing".split(),
        "loop.save_every": "save_steps checkpoint_every save_interval".split(),
        "loop.log_every": "logging_steps log_steps log_interval".split(),
    },
    {
        **_DEVICE,
        **dict.fromkeys(
            ("epochs", "num_epochs", "max_epochs", "num_train_epochs"), "a training counts steps: --loop.steps N"
        ),
        **dict.fromkeys(
            ("resume", "resume_from", "resume_from_checkpoint", "restore"),
            "the same command with the same --workdir continues",
        ),
    },
)

ELSEWHERE = Guesses(OF_CLIPS.right, _DEVICE)

# Arguments of `reelm.load`.
OF_LOADING = Guesses(
    {"dtype": "torch_dtype precision number_format".split(), "name": "model model_id path checkpoint".split()},
    {
        **_DEVICE,
        "revision": "write it after the id, as in 'owner/name@revision'",
        "cache_dir": "HF_HOME in the environment names the cache of the hub",
        "tp": "write mesh='tensor=N'",
    },
)

# Attributes of the package and of a model.
_LOAD = "write reelm.load(NAME)"
OF_PACKAGE = {
    **dict.fromkeys(("from_pretrained", "load_model", "load_pretrained", "pipeline", "Pipeline", "AutoModel"), _LOAD),
    "Model": "reelm.load(NAME) returns a model",
    "generate": "write reelm.load().generate(...)",
    **dict.fromkeys(("Video", "open", "read_video"), "write reelm.Clip.open(PATH)"),
    **dict.fromkeys(("fit", "finetune", "Trainer"), "write reelm.train(run, workdir)"),
}
OF_MODEL = {
    "from_pretrained": _LOAD,
    **dict.fromkeys(("save_pretrained", "save_weights", "export"), "write model.save(FOLDER)"),
    "push_to_hub": "write model.save(FOLDER), and upload that folder by the program of the hub",
    **dict.fromkeys(("to", "cuda", "cpu"), "JAX takes the accelerator; reelm.load(mesh=...) says which devices"),
    **dict.fromkeys(("half", "bfloat16", "float"), "write reelm.load(NAME, dtype='bfloat16')"),
    **dict.fromkeys(("eval", "train", "compile"), "a model draws in one way, and compiles at its first clip"),
    **dict.fromkeys(("sample", "predict", "forward", "invoke", "run"), "write model.generate(PROMPT)"),
    **dict.fromkeys(
        ("encode", "decode", "reconstruct", "vae"), "model.video_tokenizer has encode, decode, reconstruct"
    ),
    **dict.fromkeys(("params", "apply", "parameters"), "reelm.functional.language_model(NAME) returns them"),
}

_NEAR = 0.75  # likeness of a spelling that is offered


def right_name(name: str, known: Collection[str], guesses: Guesses = OF_CLIPS) -> str | None:
    """Return the name among `known` that a wrong name means: from the table, or else the nearest spelling."""
    found = [right for right in known if _plain(name) in guesses.right.get(_plain(right), ())]
    return next(iter(found or difflib.get_close_matches(name, known, n=1, cutoff=_NEAR)), None)


def absent(name: str, guesses: Guesses = OF_CLIPS) -> str | None:
    """Return what there is in the place of something that there is not."""
    return guesses.absent.get(_plain(name))


def wrong_name(name: str, known: Collection[str], otherwise: str, guesses: Guesses = OF_CLIPS) -> str:
    """Return what to say of a wrong name: what there is in its place, the right one, or else `otherwise`."""
    if (instead := absent(name, guesses)) is not None:
        return instead
    near = right_name(name, known, guesses)
    return otherwise if near is None else f"did you mean {near!r}?"


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")
