// A network as a Python object: a type of callables that keep what they were made of.
#pragma once

#include <Python.h>
#include <structmember.h>  // PyMemberDef before Python 3.12

#include <cstddef>

#include "python/bindings.h"

namespace edgefer {

// The values between the layers of a small network stand on the stack.
template <class T> class Hidden {
 public:
  explicit Hidden(py::ssize_t count) : large_(count <= small_count ? 0 : count) {}
  T* get() { return large_.empty() ? small_ : large_.data(); }

 private:
  static constexpr py::ssize_t small_count = 2048 / sizeof(T);
  alignas(64) T small_[small_count];
  std::vector<T> large_;
};

// Network has name and signature, a constructor from a call's arguments, operator()(x, out) and sizes().
template <class Network> struct Callable {
  PyObject_HEAD vectorcallfunc call;
  Network network;
};

template <class Network>
PyObject* call_network(PyObject* self, PyObject* const* arguments, std::size_t flagged_count, PyObject* keywords) {
  return guarded([&] {
    static const Parameters parameters{Network::name,
                                       {py::reinterpret_steal<py::object>(PyUnicode_InternFromString("x")),
                                        py::reinterpret_steal<py::object>(PyUnicode_InternFromString("out"))},
                                       {py::object(), py::none()},
                                       2};
    PyObject* values[2];
    bind_arguments(parameters, arguments, flagged_count, keywords, values);
    return reinterpret_cast<const Callable<Network>*>(self)->network(values[0], values[1]);
  });
}

template <class Network> PyObject* new_network(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  return guarded([&] {
    Network network(arguments, keywords);
    auto object = py::reinterpret_steal<py::object>(type->tp_alloc(type, 0));
    if (!object) throw py::error_already_set();
    auto* callable = reinterpret_cast<Callable<Network>*>(object.ptr());
    callable->call = &call_network<Network>;
    new (&callable->network) Network(std::move(network));
    return object;
  });
}

template <class Network> void free_network(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  reinterpret_cast<Callable<Network>*>(self)->network.~Network();
  type->tp_free(self);
  Py_DECREF(type);
}

template <class Network> PyObject* sizes_of_network(PyObject* self, void*) {
  return guarded([&] {
    py::list all;
    for (const py::ssize_t size : reinterpret_cast<const Callable<Network>*>(self)->network.sizes()) all.append(size);
    return all;
  });
}

template <class Network> py::object network_type() {
  static PyMemberDef members[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(Callable<Network>, call), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr},
  };
  static PyGetSetDef attributes[] = {
      {"sizes", &sizes_of_network<Network>, nullptr, "The width of the input and of every layer.", nullptr},
      {nullptr, nullptr, nullptr, nullptr, nullptr},
  };
  static PyType_Slot slots[] = {
      {Py_tp_new, reinterpret_cast<void*>(&new_network<Network>)},
      {Py_tp_dealloc, reinterpret_cast<void*>(&free_network<Network>)},
      {Py_tp_call, reinterpret_cast<void*>(&PyVectorcall_Call)},
      {Py_tp_members, members},
      {Py_tp_getset, attributes},
      {Py_tp_doc, const_cast<char*>(Network::signature)},
      {0, nullptr},
  };
  static const std::string name = std::string("edgefer._kernels.") + Network::name;
  static PyType_Spec spec{name.c_str(), sizeof(Callable<Network>), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
                          slots};
  auto type = py::reinterpret_steal<py::object>(PyType_FromSpec(&spec));
  if (!type) throw py::error_already_set();
  return type;
}

}  // namespace edgefer
