// The module edgefer._kernels: which variant runs; the rooms beside this file bring the operations.
#include "bindings.h"

namespace py = pybind11;
using namespace edgefer;

PYBIND11_MODULE(_kernels, m) {
  m.doc() = "Compiled kernels; edgefer.kernels is their documented front.";

  // A bad EDGEFER_ISA is bad usage: one line and exit code 2 from the command line.
  py::register_exception_translator([](std::exception_ptr error) {
    try {
      if (error) std::rethrow_exception(error);
    } catch (const BadIsa& bad) {
      py::set_error(py::module_::import("edgefer.errors").attr("UsageError"), bad.what());
    }
  });

  m.def("operations", &operations);
  m.def("variants", [](const std::string& op) {
    active_row(op);  // refuses an unknown operation and a bad EDGEFER_ISA
    std::vector<std::string> names;
    for (const Row* row : runnable(op)) names.emplace_back(isa_name(row->isa));
    return names;
  });
  m.def("active", [](const std::string& op) {
    if (variant_of_this_thread) return std::string(isa_name(named_row(op, *variant_of_this_thread).isa));
    return std::string(isa_name(active_row(op).isa));
  });
  m.def("use_variant", [](std::optional<std::string> name) { variant_of_this_thread = std::move(name); });

  bind_gradients(m);
  bind_corners(m);
  bind_resize(m);
  bind_dense(m);
}
