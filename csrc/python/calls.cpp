// How Python reaches an operation: the type Function, the arguments of a call, and errors on the way back.
#include <Python.h>
#include <structmember.h>  // PyMemberDef before Python 3.12

#include <cstddef>

#include "python/bindings.h"

namespace edgefer {
namespace {

struct NamedOperation {
  const char* name;
  std::size_t parameters;
  Operation run;
};

constexpr NamedOperation named_operations[] = {
    {"sobel", 3, &sobel},
    {"laplacian", 4, &laplacian},
    {"gradients", 4, &gradients},
    {"shi_tomasi", 4, &shi_tomasi},
    {"good_corners", 6, &good_corners},
    {"flow", 5, &flow},
    {"median_flow", 8, &median_flow},
    {"cascade", 3, &cascade},
    {"luma", 3, &luma},
    {"crop_resize", 5, &crop_resize},
    {"stack", 8, &stack},
    {"fully_connected", 5, &fully_connected},
    {"fully_connected_int8", 10, &fully_connected_int8},
};

// A function with the parameters of its declaration in Python and the body of a compiled operation. Its dictionary
// takes what functools.update_wrapper copies: name, documentation, the declaration itself.
struct CompiledFunction {
  PyObject_HEAD vectorcallfunc call;
  PyObject* dictionary;
  Operation run;
  Parameters parameters;
};

PyObject* call_function(PyObject* self, PyObject* const* arguments, std::size_t flagged_count, PyObject* keywords) {
  const auto* function = reinterpret_cast<CompiledFunction*>(self);
  return guarded([&] {
    PyObject* values[max_parameters];
    bind_arguments(function->parameters, arguments, flagged_count, keywords, values);
    return function->run(values);
  });
}

// Function(name, names, positional, defaults): `positional` of the names may be given by position.
PyObject* new_function(PyTypeObject* type, PyObject* arguments, PyObject*) {
  const char* name = nullptr;
  PyObject *names = nullptr, *defaults = nullptr;
  Py_ssize_t positional = 0;
  if (!PyArg_ParseTuple(arguments, "sO!nO!", &name, &PyTuple_Type, &names, &positional, &PyDict_Type, &defaults))
    return nullptr;
  return guarded([&] {
    const auto* operation = std::find_if(std::begin(named_operations), std::end(named_operations),
                                         [&](const NamedOperation& named) { return name == std::string(named.name); });
    if (operation == std::end(named_operations)) throw py::value_error(std::string("no operation '") + name + "'");
    if (operation->parameters != static_cast<std::size_t>(PyTuple_GET_SIZE(names)))
      throw py::value_error(std::string(name) + ": must be declared with " + std::to_string(operation->parameters) +
                            " parameters");
    Parameters parameters{name, {}, {}, static_cast<std::size_t>(positional)};
    for (const py::handle parameter : py::reinterpret_borrow<py::tuple>(names)) {
      Py_INCREF(parameter.ptr());
      PyObject* interned = parameter.ptr();
      PyUnicode_InternInPlace(&interned);
      parameters.names.push_back(py::reinterpret_steal<py::object>(interned));
      parameters.defaults.push_back(
          py::reinterpret_borrow<py::object>(PyDict_GetItemWithError(defaults, parameter.ptr())));
    }
    auto object = py::reinterpret_steal<py::object>(type->tp_alloc(type, 0));
    if (!object) throw py::error_already_set();
    auto* function = reinterpret_cast<CompiledFunction*>(object.ptr());
    function->call = &call_function;
    function->run = operation->run;
    new (&function->parameters) Parameters(std::move(parameters));
    return object;
  });
}

void free_function(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  auto* function = reinterpret_cast<CompiledFunction*>(self);
  Py_CLEAR(function->dictionary);
  function->parameters.~Parameters();
  type->tp_free(self);
  Py_DECREF(type);
}

// A descriptor that gives itself: help() and inspect take it for a routine, and it binds to no class.
PyObject* get_function(PyObject* self, PyObject*, PyObject*) {
  Py_INCREF(self);
  return self;
}

std::string plural(std::size_t count) { return std::to_string(count) + (count == 1 ? " argument" : " arguments"); }

}  // namespace

py::object make_function_type() {
  static PyMemberDef members[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(CompiledFunction, call), READONLY, nullptr},
      {"__dictoffset__", T_PYSSIZET, offsetof(CompiledFunction, dictionary), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr},
  };
  static PyGetSetDef attributes[] = {
      {"__dict__", &PyObject_GenericGetDict, &PyObject_GenericSetDict, nullptr, nullptr},
      {nullptr, nullptr, nullptr, nullptr, nullptr},
  };
  static PyType_Slot slots[] = {
      {Py_tp_new, reinterpret_cast<void*>(&new_function)},
      {Py_tp_dealloc, reinterpret_cast<void*>(&free_function)},
      {Py_tp_call, reinterpret_cast<void*>(&PyVectorcall_Call)},
      {Py_tp_descr_get, reinterpret_cast<void*>(&get_function)},
      {Py_tp_members, members},
      {Py_tp_getset, attributes},
      {0, nullptr},
  };
  static PyType_Spec spec{"edgefer._kernels.Function", sizeof(CompiledFunction), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL, slots};
  auto type = py::reinterpret_steal<py::object>(PyType_FromSpec(&spec));
  if (!type) throw py::error_already_set();
  return type;
}

void bind_arguments(const Parameters& parameters, PyObject* const* arguments, std::size_t flagged_count,
                    PyObject* keywords, PyObject** values) {
  const auto count = static_cast<std::size_t>(PyVectorcall_NARGS(flagged_count)), total = parameters.names.size();
  if (count > parameters.positional)
    throw py::type_error(parameters.callable + "() takes at most " + plural(parameters.positional) +
                         " by position, got " + std::to_string(count));
  std::copy_n(arguments, count, values);
  std::fill(values + count, values + total, nullptr);
  const Py_ssize_t keyword_count = keywords ? PyTuple_GET_SIZE(keywords) : 0;
  for (Py_ssize_t k = 0; k < keyword_count; ++k) {
    PyObject* keyword = PyTuple_GET_ITEM(keywords, k);
    std::size_t at = 0;  // names in a call are interned as well; others are compared by their text
    while (at < total && parameters.names[at].ptr() != keyword) ++at;
    if (at == total)
      for (at = 0; at < total && PyUnicode_Compare(parameters.names[at].ptr(), keyword) != 0;) ++at;
    if (at == total)
      throw py::type_error(parameters.callable + "() got an unexpected keyword argument '" +
                           std::string(py::str(py::handle(keyword))) + "'");
    if (values[at])
      throw py::type_error(parameters.callable + "() got multiple values for argument '" +
                           std::string(py::str(py::handle(keyword))) + "'");
    values[at] = arguments[count + static_cast<std::size_t>(k)];
  }
  for (std::size_t at = 0; at < total; ++at) {
    if (values[at]) continue;
    values[at] = parameters.defaults[at].ptr();
    if (!values[at])
      throw py::type_error(parameters.callable + "() missing argument '" + std::string(py::str(parameters.names[at])) +
                           "'");
  }
}

void set_python_error() noexcept {
  try {
    throw;
  } catch (py::error_already_set& error) { error.restore(); } catch (const py::builtin_exception& error) {
    error.set_error();
  } catch (const BadIsa& bad) {
    // A bad EDGEFER_ISA is bad usage: one line and exit code 2 from the command line.
    try {
      py::set_error(py::module_::import("edgefer.errors").attr("UsageError"), bad.what());
    } catch (py::error_already_set& error) { error.restore(); }
  } catch (const std::invalid_argument& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
  } catch (const std::bad_alloc&) { PyErr_NoMemory(); } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
}

// ---------------------------------------------------------------------------------------------------------- arguments

std::string described(py::handle object) {
  if (!py::isinstance<py::array>(object)) return py::str(py::type::handle_of(object).attr("__name__"));
  return std::string(py::str(object.attr("dtype"))) + " " + std::string(py::str(object.attr("shape")));
}

std::string mismatch(const char* op, const char* name, const std::string& expected, py::handle got) {
  return std::string(op) + ": " + name + " must be " + expected + ", got " + described(got);
}

std::string short_number(double value) {
  char written[32];
  std::snprintf(written, sizeof written, "%g", value);
  return written;
}

std::string_view text(const char* op, const char* name, py::handle object) {
  if (!PyUnicode_Check(object.ptr())) throw py::type_error(mismatch(op, name, "a string", object));
  Py_ssize_t size = 0;
  const char* utf8 = PyUnicode_AsUTF8AndSize(object.ptr(), &size);
  if (!utf8) throw py::error_already_set();
  return {utf8, static_cast<std::size_t>(size)};
}

py::ssize_t integer(const char* op, const char* name, py::handle object) {
  if (!PyIndex_Check(object.ptr())) throw py::type_error(mismatch(op, name, "an integer", object));
  const py::ssize_t value = PyNumber_AsSsize_t(object.ptr(), PyExc_OverflowError);
  if (value == -1 && PyErr_Occurred()) throw py::error_already_set();
  return value;
}

double number(const char* op, const char* name, py::handle object) {
  const double value = PyFloat_AsDouble(object.ptr());
  if (value != -1 || !PyErr_Occurred()) return value;
  if (!PyErr_ExceptionMatches(PyExc_TypeError)) throw py::error_already_set();
  PyErr_Clear();
  throw py::type_error(mismatch(op, name, "a number", object));
}

py::handle output(const char* op, py::handle out, py::ssize_t count, py::ssize_t index) {
  if (out.is_none()) return out;
  if (!PyTuple_Check(out.ptr()) || PyTuple_GET_SIZE(out.ptr()) != count)
    throw py::type_error(
        std::string(op) + ": out must be a tuple of " + std::to_string(count) + " arrays, got " +
        (py::isinstance<py::tuple>(out) ? "a tuple of " + std::to_string(py::len(out)) : described(out)));
  return PyTuple_GET_ITEM(out.ptr(), index);
}

Border border_named(const char* op, py::handle name) {
  return chosen<Border>(op, "border", text(op, "border", name),
                        {{"replicate", Border::replicate}, {"reflect101", Border::reflect101}});
}

}  // namespace edgefer
