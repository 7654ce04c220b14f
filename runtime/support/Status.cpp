//===- Status.cpp - errors as values --------------------------------------===//

#include "runtime/support/Status.h"

#include <cstdarg>
#include <cstdio>

namespace mercer::rt {

const char *codeName(int32_t code) {
  switch (code) {
#define MERCER_ERROR(number, name, summary)                                    \
  case number:                                                                 \
    return #name;
#include "mercer/error_codes.def"
  default:
    return nullptr;
  }
}

const char *codeSummary(int32_t code) {
  switch (code) {
#define MERCER_ERROR(number, name, summary)                                    \
  case number:                                                                 \
    return summary;
#include "mercer/error_codes.def"
  default:
    return nullptr;
  }
}

std::string format(const char *fmt, ...) {
  va_list args, again;
  va_start(args, fmt);
  va_copy(again, args);
  int length = vsnprintf(nullptr, 0, fmt, args);
  va_end(args);
  std::string text(length > 0 ? length : 0, '\0');
  if (length > 0)
    vsnprintf(text.data(), text.size() + 1, fmt, again);
  va_end(again);
  return text;
}

std::string formatShape(const int64_t *dims, size_t rank) {
  std::string text = "[";
  for (size_t i = 0; i < rank; ++i) {
    text += i ? ", " : "";
    text += dims[i] < 0 ? "?" : std::to_string(dims[i]);
  }
  return text + "]";
}

} // namespace mercer::rt
