// The module edgefer._kernels: which variant runs, and the types that the operations are made of.
#include <pybind11/stl.h>

#include <optional>

#include "python/bindings.h"

namespace py = pybind11;

namespace edgefer {
namespace {

thread_local std::string forced_name_here;

void use_variant(const std::optional<std::string>& name) {
  forced_here = {};
  forced_name_here = name.value_or("");
  if (!name) return;
  forced_here.any = true;
  for (const Isa isa : all_isas)
    if (*name == isa_name(isa)) forced_here = {true, true, isa};
}

}  // namespace

std::string forced_name() { return forced_name_here; }

}  // namespace edgefer

using namespace edgefer;

PYBIND11_MODULE(_kernels, m) {
  m.doc() = "Compiled kernels; edgefer.kernels is their documented front.";

  py::register_exception_translator([](std::exception_ptr error) {
    try {
      if (error) std::rethrow_exception(error);
    } catch (const BadIsa&) { set_python_error(); }
  });

  m.def("operations", &operations);
  m.def("variants", [](const std::string& op) {
    active_row(op);  // refuses an unknown operation and a bad EDGEFER_ISA
    std::vector<std::string> names;
    for (const Row* row : runnable(op)) names.emplace_back(isa_name(row->isa));
    return names;
  });
  m.def("active", [](const std::string& op) {
    return std::string(isa_name((forced_here.any ? named_row(op, forced_name_here) : active_row(op)).isa));
  });
  m.def("use_variant", &use_variant);
  // (operation, variant) that the calling thread ran last, or None.
  m.def("last_ran", []() -> std::optional<std::pair<std::string, std::string>> {
    if (!last_ran.op) return std::nullopt;
    return std::pair<std::string, std::string>(last_ran.op, isa_name(last_ran.isa));
  });
  m.attr("Function") = make_function_type();
  m.attr("Mlp") = make_mlp_type();
  m.attr("MlpInt8") = make_mlp_int8_type();
  define_cascade(m);
}
