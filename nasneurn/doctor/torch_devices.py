"""What trains: PyTorch, its devices, and NeuRN on this one. PyTorch is imported here alone."""

from collections.abc import Iterator

from nasneurn.doctor.remarks import Remark, gigabytes
from nasneurn.errors import one_line


def examine_devices() -> Iterator[Remark]:
    """Whether PyTorch and torchvision work, and where a study would run."""
    try:
        import torch
        import torchvision  # noqa: F401
    except Exception as error:  # a build for another machine raises nearly anything
        yield Remark(
            "broken", f"PyTorch cannot be imported ({one_line(error)}); install torch again"
        )
        return
    yield Remark("ok", f"CPU: {torch.get_num_threads()} threads of PyTorch")
    yield from _gpus()
    try:
        from nasneurn.stems import create_stem

        answer = create_stem("neurn")(torch.rand(1, 3, 8, 8))
        if not bool(torch.isfinite(answer).all()):
            raise ValueError("its answer is not finite")
    except Exception as error:
        yield Remark("broken", f"NeuRN does not run on this machine ({one_line(error)})")
    else:
        yield Remark("ok", "NeuRN runs")


def _gpus() -> Iterator[Remark]:
    import torch

    if not torch.cuda.is_available():
        built = torch.version.cuda
        why = f"PyTorch is built for CUDA {built} and finds none" if built else "PyTorch of the CPU"
        yield Remark("ok", f"no GPU ({why}); studies run on the CPU")
        return
    for number in range(torch.cuda.device_count()):
        try:
            about = torch.cuda.get_device_properties(number)
            torch.zeros(1, device=f"cuda:{number}")
        except Exception as error:
            yield Remark(
                "broken", f"GPU {number} cannot be used ({one_line(error)}); --device cpu does"
            )
            continue
        bf16 = "bf16" if torch.cuda.is_bf16_supported() else "no bf16: --precision 32"
        memory = gigabytes(about.total_memory)
        yield Remark(
            "ok", f"GPU {number}: {about.name}, {memory}, CUDA {torch.version.cuda}, {bf16}"
        )
