"""A device apart from the processor, where there is none: tensors that keep to themselves.

They say that they are on the device "meta", which PyTorch knows everywhere, and are computed on the
processor. As on a GPU, one that meets a tensor of the processor (of more than one number) raises,
and none becomes a NumPy array. Stricter than CUDA, which takes indices from the processor.
"""

import torch
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = "meta"


class There(torch.Tensor):
    """A tensor of the pretended device around the one that holds its numbers."""

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            inner.size(),
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=DEVICE,
        )

    def __init__(self, inner):
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


class PretendGpu(TorchDispatchMode):
    """While it lasts, what is made on or moved to the device "meta" holds numbers."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _run(func, args, kwargs or {})


def _run(func, args, kwargs):
    tensors = [each for each in tree_flatten((args, kwargs))[0] if isinstance(each, torch.Tensor)]
    device = kwargs.get("device")
    is_there = any(isinstance(each, There) for each in tensors)
    moves = func is torch.ops.aten._to_copy.default
    for each in tensors:
        if is_there and not moves and not isinstance(each, There) and each.dim() > 0:
            raise RuntimeError(f"{func}: a tensor of the processor meets the device's")
    if device is not None:
        is_there = torch.device(device).type == DEVICE
        kwargs = kwargs | {"device": torch.device("cpu")}
    plain = tree_map(lambda x: x.inner if isinstance(x, There) else x, (args, kwargs))
    found = func(*plain[0], **plain[1])
    if is_there:
        found = tree_map(lambda x: There(x) if isinstance(x, torch.Tensor) else x, found)
    return found if moves or not tensors else return_and_correct_aliasing(func, args, kwargs, found)
