//===- Status.h - errors as values ------------------------------*- C++ -*-===//
//
// The runtime and its tools return a Status where something can fail: a stable
// code of error_codes.def, what was expected and found, and the place.
//
//===----------------------------------------------------------------------===//

#ifndef MERCER_RUNTIME_SUPPORT_STATUS_H
#define MERCER_RUNTIME_SUPPORT_STATUS_H

#include <cstdint>
#include <string>
#include <utility>

namespace mercer::rt {

enum class Code : int32_t {
  Ok = 0,
#define MERCER_ERROR(number, name, summary) name = number,
#include "mercer/error_codes.def"
};

/// Name and summary of a code; null for a number that is none.
const char *codeName(int32_t code);
const char *codeSummary(int32_t code);

class [[nodiscard]] Status {
public:
  Status() = default;
  Status(Code code, std::string place, std::string message)
      : Status(static_cast<int32_t>(code), std::move(place),
               std::move(message)) {}
  /// For codes that come from an artifact and may be newer than this library.
  Status(int32_t code, std::string place, std::string message)
      : code(code), placeText(std::move(place)),
        messageText(std::move(message)) {}

  bool failed() const { return code != 0; }
  int32_t number() const { return code; }
  const std::string &place() const { return placeText; }
  const std::string &message() const { return messageText; }

private:
  int32_t code = 0;
  std::string placeText, messageText;
};

/// printf into a string.
std::string format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/// "[2, 3, ?]", where negative dimensions are not known.
std::string formatShape(const int64_t *dims, size_t rank);

} // namespace mercer::rt

#endif // MERCER_RUNTIME_SUPPORT_STATUS_H
