"""Counts the floating-point work of a torch function that is not ours, and lets no product be free.

Every operation that torch runs is one of four kinds:

    with a formula    matrix products and convolutions: torch.utils.flop_counter, and below
    elementwise       free, as in the built-in encoders; but where two or more tensors spread into
                      one larger than each (a[:, None] * b, a product written out): 2 FLOP an
                      element, and 2 for each such multiplication in the backward pass
    free              reductions, views, copies, pooling, normalisation, softmax, losses, sorting
    any other         refused: Fourier transforms, decompositions, distances

A multiply-add counts 2. Left out: products of copies spread beforehand (repeat, indexing).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

_FREE_NAMES = """
zeros ones full empty eye arange linspace scalar_tensor zeros_like ones_like full_like
empty_like new_zeros new_ones new_full new_empty new_empty_strided empty_strided lift_fresh
clone copy _to_copy fill zero _unsafe_view unsafe_split unsafe_chunk unsafe_split_with_sizes
cat stack repeat roll flip tril triu masked_fill _local_scalar_dense is_nonzero item
constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d
replication_pad2d replication_pad3d index index_select index_put index_add index_copy gather
scatter scatter_add select_scatter slice_scatter unfold select slice diagonal im2col col2im
embedding embedding_dense one_hot nonzero transpose t squeeze unsqueeze detach
max_pool2d_with_indices max_pool3d_with_indices avg_pool2d avg_pool3d _adaptive_avg_pool2d
_adaptive_avg_pool3d adaptive_max_pool2d adaptive_max_pool3d upsample_nearest1d
upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d
upsample_linear1d upsample_bilinear2d upsample_trilinear3d upsample_bicubic2d
native_layer_norm native_group_norm native_batch_norm _fused_rms_norm _weight_norm_interface
_softmax _log_softmax _safe_softmax logcumsumexp _prelu_kernel glu hardswish log_sigmoid
log_sigmoid_forward hardtanh elu softplus softshrink hardshrink leaky_relu mish hardsigmoid
cumsum cumprod cummax cummin sort topk median nanmedian kthvalue
nll_loss_forward nll_loss nll_loss2d_forward nll_loss2d mse_loss smooth_l1_loss huber_loss
binary_cross_entropy binary_cross_entropy_with_logits multi_margin_loss
rand randn randint randperm rand_like randn_like normal uniform bernoulli exponential multinomial
bincount histc searchsorted bucketize isin _unique2 unique_dim unique_consecutive
"""
_FREE = frozenset(_FREE_NAMES.split())
# Besides torch's formulas: (arguments of the operation) -> FLOP.
_FORMULAS: dict[str, Callable[..., int]] = {
    "mv": lambda matrix, vector: 2 * matrix.numel(),
    "addmv": lambda added, matrix, vector, **scales: 2 * matrix.numel(),
    "dot": lambda one, other: 2 * one.numel(),
    "vdot": lambda one, other: 2 * one.numel(),
}


class Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the work of what torch runs inside; `uncounted`: the first operation not known."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flop = 0
        self.uncounted: str | None = None
        self.in_backward = False
        self._spread: set[torch.Size] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run an operation and count it."""
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        name = func.overloadpacket.__name__.removesuffix("_")
        results = [each for each in tree_leaves(out) if isinstance(each, Tensor)]
        if any(each.is_complex() for each in results):
            self._refuse(name)
        elif func.overloadpacket in flop_registry:
            self.flop += flop_registry[func.overloadpacket](*args, **kwargs, out_val=out)
        elif name in _FORMULAS:
            self.flop += _FORMULAS[name](*args, **kwargs)
        elif torch.Tag.pointwise in func.tags:
            self._count_elementwise(name, [*args, *kwargs.values()], results)
        elif not (_is_free(name) or func.is_view or torch.Tag.reduction in func.tags):
            self._refuse(name)
        return out

    def _count_elementwise(self, name: str, args: Sequence[Any], results: list[Tensor]) -> None:
        given = [each for each in tree_leaves(list(args)) if isinstance(each, Tensor)]
        size = max((each.numel() for each in results), default=0)
        if len(given) < 2 or size == 0:
            return
        shape = results[0].shape
        if all(size > _num_distinct(each) for each in given):
            self.flop += 2 * size
            self._spread.add(shape)
        elif self.in_backward and name == "mul" and shape in self._spread:
            self.flop += 2 * size

    def _refuse(self, name: str) -> None:
        self.uncounted = self.uncounted or name


def count_training(forward: Callable[[], Tensor], parameters: Sequence[Tensor]) -> Counter:
    """Count a forward pass and the gradients of what it returns by the parameters.

    Attention and recurrent layers are counted as the products that they are made of, not as the
    fused kernels of this machine.
    """
    counter = Counter()
    with sdpa_kernel(SDPBackend.MATH), _without_mkldnn(), counter:
        out = forward()
        counter.in_backward = True
        torch.autograd.grad(out, list(parameters), torch.ones_like(out), allow_unused=True)
    return counter


@contextmanager
def _without_mkldnn() -> Iterator[None]:
    enabled, *_ = torch.backends.mkldnn.set_flags(False, None, None, None)  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        torch.backends.mkldnn.set_flags(enabled, None, None, None)  # type: ignore[no-untyped-call]


def _is_free(name: str) -> bool:
    forward = name.removesuffix("_data").removesuffix("_backward")
    return name in _FREE or forward in _FREE


def _num_distinct(tensor: Tensor) -> int:
    """Bound the numbers that a tensor is made of: fewer than elements where it is expanded."""
    stored = tensor.untyped_storage().nbytes() // tensor.element_size()
    seen = math.prod(n for n, step in zip(tensor.shape, tensor.stride(), strict=True) if step != 0)
    return min(stored, seen, tensor.numel())
