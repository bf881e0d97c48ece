"""A GPU that is not there: tensors on "cuda" have shapes, dtypes and a device, and no numbers (FakeTensorMode). What the
program keeps on the CPU is real and computes as ever, so that a CPU tensor which meets one of the GPU's raises
(FakeTensorDeviceMismatchError), and every value that the host waits for is counted. It proves nothing about numbers or speed.
As on a GPU, a number (a tensor without dimensions) and an index may come from the CPU.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._pytree import tree_leaves

_CUDA, _META = 1, 14  # c10::DeviceType
# From a tensor that is not the GPU's: `.to("cuda")`, and Module.to_empty.
_MADE_THERE = (torch.ops.aten._to_copy.default, torch.ops.aten.empty_like.default)


class FakeCuda(FakeTensorMode):
    """
    Attributes:
        waits: how many times the host asked for values of the GPU, and so waited for all that came before (`.tolist()`,
            `.item()`, `if tensor:`, `.cpu()`); it gets `value`, as often as the shape says
        value: true as a condition, a token of any vocabulary, a finite number
    """

    value = 1

    def __init__(self):
        super().__init__(allow_non_fake_inputs=True)
        self.waits = 0

    def dispatch(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func.namespace == "aten" and func._can_decompose():
            with self:  # in inference mode such come whole; looked at are their parts
                return func.decompose(*args, **kwargs)
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        fake = any(isinstance(x, FakeTensor) for x in tensors)
        target = kwargs.get("device")
        if target is not None and (target.type == "cuda" or (func is _MADE_THERE[0] and target.type == "meta")):
            # The one GPU, by whatever name: asked for the number of "cuda", the lent guard answers "meta".
            target = kwargs["device"] = torch.device("cuda", 0)
        if not fake and (target is None or target.type != "cuda"):
            return func(*args, **kwargs)  # the CPU's own, and shapes alone (meta)
        if not fake and tensors and func in _MADE_THERE:
            made = {"dtype": kwargs.get("dtype") or args[0].dtype, "device": target}
            return super().dispatch(torch.ops.aten.empty.memory_format, (), (list(args[0].shape),), made)
        if fake and func is torch.ops.aten._local_scalar_dense.default:
            self.waits += 1
            return args[0].dtype.is_floating_point * float(self.value) or self.value
        if fake and func is torch.ops.aten._to_copy.default and target is not None and target.type == "cpu":
            return self._fetched(args[0], kwargs.get("dtype") or args[0].dtype)
        if func is torch.ops.aten.copy_.default and not isinstance(args[0], FakeTensor):
            return func(args[0], self._fetched(args[1], args[1].dtype))
        if func is torch.ops.aten.bincount.default:
            self.waits += 1  # for the largest number, which is the size of the result
            return super().dispatch(torch.ops.aten.zeros_like.default, types, (args[0],), {})
        return super().dispatch(func, types, args, kwargs)

    def _fetched(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        self.waits += 1
        return torch.full(x.shape, self.value, dtype=dtype)


@contextmanager
def fake_cuda() -> Iterator[FakeCuda]:
    tolist, backward, swap = FakeTensor.tolist, Tensor.backward, torch.utils.swap_tensors

    def take(parameter: Tensor, converted: Tensor) -> None:
        parameter.data = converted.data  # Module.to swaps FakeTensors, and refuses to where one is referred to weakly

    mode = FakeCuda()
    with _device_guard(), mode:
        # A FakeTensor's own list asks for one number after the other.
        FakeTensor.tolist, Tensor.backward = lambda x: x.cpu().tolist(), _backward
        torch.utils.swap_tensors = take
        try:
            yield mode
        finally:
            FakeTensor.tolist, Tensor.backward, torch.utils.swap_tensors = tolist, backward, swap


def _backward(loss: Tensor) -> None:
    """What torch's engine does, node by node: in a build without CUDA the engine refuses streams of a device it lacks."""
    assert loss.grad_fn is not None
    order, seen, stack = [], set(), [(loss.grad_fn, False)]
    while stack:
        node, visited = stack.pop()
        if visited:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack += [(other, False) for other, _ in node.next_functions if other is not None]
    gradients = {loss.grad_fn: {0: torch.ones_like(loss)}}
    # What checkpoints compute again, they do once for each number of a backward pass.
    with torch.no_grad(), mock.patch("torch._C._current_graph_task_id", return_value=id(loss)):
        for node in reversed(order):
            expected = node._input_metadata
            incoming = gradients.pop(node, {})
            given = [incoming.get(i) for i in range(len(expected))]
            assert all(g is None or g.device == meta.device for g, meta in zip(given, expected, strict=True)), node
            # A gradient may come broadcast, or in another dtype, as torch's engine lets it.
            given = [_fitted(g, meta) for g, meta in zip(given, expected, strict=True)]
            outputs = node(*given) if not hasattr(node, "apply") else node.apply(*given)
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            for grad, (other, index) in zip(outputs, node.next_functions, strict=False):
                if other is not None and grad is not None:
                    there = gradients.setdefault(other, {})
                    there[index] = there[index] + grad if index in there else grad


def _fitted(grad: Tensor | None, expected) -> Tensor | None:
    if grad is None:
        return None
    shape = list(expected.shape)
    return (grad if list(grad.shape) == shape else grad.sum_to_size(shape)).to(expected.dtype)


@contextmanager
def _device_guard() -> Iterator[None]:
    """Autograd asks for a device's guard when it notes where a tensor lies; a build without CUDA has none. That of "meta",
    which does nothing, is lent."""
    library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libc10.so"))
    guards = (ctypes.c_void_p * (_META + 1)).in_dll(library, "_ZN3c104impl26device_guard_impl_registryE")
    before = guards[_CUDA]
    guards[_CUDA] = before or guards[_META]
    try:
        yield
    finally:
        guards[_CUDA] = before
