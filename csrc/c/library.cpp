// The library itself for C: versions, errors, names of operations and variants.
#include <cstdarg>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "c/checks.h"

namespace edgefer::c {
namespace {

thread_local char last_error[256] = "";
thread_local const char* variant_of_this_thread = nullptr;

// Operations and their variants as arrays of names that end with null.
struct Names {
  std::vector<const char*> operations;
  std::vector<std::vector<const char*>> variants;

  Names() {
    for (const std::string& op : edgefer::operations()) {
      std::vector<const char*> isas;
      for (const Row* row : runnable(op)) {
        if (isas.empty()) operations.push_back(row->op);
        isas.push_back(isa_name(row->isa));
      }
      isas.push_back(nullptr);
      variants.push_back(std::move(isas));
    }
    operations.push_back(nullptr);
  }
};

const Names& names() {
  static const Names all;
  return all;
}

const std::vector<const char*>& variants_of(const char* op) {
  if (!op) refuse("operation must not be null");
  for (std::size_t i = 0; i < names().variants.size(); ++i)
    if (std::string(names().operations[i]) == op) return names().variants[i];
  refuse("unknown kernel '%.60s'", op);
}

}  // namespace

void note(const char* op, const char* text) {
  std::snprintf(last_error, sizeof last_error, "%s%s%s", op ? op : "", op ? ": " : "", text);
}

void refuse(const char* format, ...) {
  std::va_list values;
  va_start(values, format);
  std::vsnprintf(last_error, sizeof last_error, format, values);
  va_end(values);
  throw Refusal{EDGEFER_BAD_ARGUMENT};
}

const Row* row_of_this_thread(const char* op) {
  if (!variant_of_this_thread) return nullptr;
  try {
    return &named_row(op, variant_of_this_thread);
  } catch (const std::invalid_argument& absent) {
    note(nullptr, absent.what());
    throw Refusal{EDGEFER_BAD_ISA};
  }
}

}  // namespace edgefer::c

using namespace edgefer;
using namespace edgefer::c;

const char* edgefer_version() { return EDGEFER_VERSION; }

int edgefer_abi_version() { return EDGEFER_ABI_VERSION; }

const char* edgefer_last_error() { return last_error; }

const char* const* edgefer_operations() {
  const char* const* result = nullptr;
  guarded("operations", [&] { result = names().operations.data(); });
  return result;
}

const char* const* edgefer_variants(const char* operation) {
  const char* const* result = nullptr;
  guarded("variants", [&] { result = variants_of(operation).data(); });
  return result;
}

const char* edgefer_active(const char* operation) {
  const char* result = nullptr;
  guarded("active", [&] {
    variants_of(operation);
    const Row* row = row_of_this_thread(operation);
    result = isa_name((row ? *row : active_row(operation)).isa);
  });
  return result;
}

edgefer_status edgefer_use_variant(const char* variant) {
  return guarded("use_variant", [&] {
    if (!variant) {
      variant_of_this_thread = nullptr;
      return;
    }
    for (const Isa isa : all_isas) {
      if (std::string(isa_name(isa)) != variant || !cpu_has(isa)) continue;
      variant_of_this_thread = isa_name(isa);
      return;
    }
    std::snprintf(last_error, sizeof last_error, "use_variant: this processor has no '%.60s'", variant);
    throw Refusal{EDGEFER_BAD_ISA};
  });
}
