//===- Npy.cpp - NumPy's file format --------------------------------------===//
//
// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
//
//===----------------------------------------------------------------------===//

#include "tools/mercer-run/Npy.h"

#include "runtime/support/Dtype.h"
#include "runtime/support/File.h"

#include <algorithm>
#include <cstring>
#include <string_view>

namespace mercer::run {

using rt::Code;
using rt::format;
using rt::Status;

namespace {

struct Header {
  std::string descr;
  bool fortranOrder = false;
  std::vector<int64_t> shape;
};

/// Reads the Python dictionary literal of a header. It knows the few literals
/// that may occur there and refuses everything else.
class HeaderParser {
public:
  explicit HeaderParser(std::string_view text) : rest(text) {}

  bool parse(Header &header) {
    bool descr = false, order = false, shape = false;
    if (!take('{'))
      return false;
    while (!take('}')) {
      std::string key;
      if (!parseString(key) || !take(':'))
        return false;
      bool good = false;
      if (key == "descr" && !descr)
        good = descr = parseString(header.descr);
      else if (key == "fortran_order" && !order)
        good = order = parseBool(header.fortranOrder);
      else if (key == "shape" && !shape)
        good = shape = parseShape(header.shape);
      if (!good)
        return false;
      if (!take(',') && !peek('}'))
        return false;
    }
    skipSpace();
    return rest.empty() && descr && order && shape;
  }

private:
  void skipSpace() {
    while (!rest.empty() && strchr(" \t\r\n", rest.front()) && rest.front())
      rest.remove_prefix(1);
  }
  bool peek(char c) {
    skipSpace();
    return !rest.empty() && rest.front() == c;
  }
  bool take(char c) {
    if (!peek(c))
      return false;
    rest.remove_prefix(1);
    return true;
  }
  bool parseString(std::string &text) {
    skipSpace();
    if (rest.empty() || (rest.front() != '\'' && rest.front() != '"'))
      return false;
    size_t end = rest.find(rest.front(), 1);
    if (end == std::string_view::npos)
      return false;
    text = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
    return text.find('\\') == std::string::npos;
  }
  bool parseBool(bool &value) {
    skipSpace();
    for (auto [word, meaning] :
         {std::pair<std::string_view, bool>{"True", true}, {"False", false}})
      if (rest.substr(0, word.size()) == word) {
        rest.remove_prefix(word.size());
        value = meaning;
        return true;
      }
    return false;
  }
  bool parseShape(std::vector<int64_t> &shape) {
    if (!take('('))
      return false;
    while (!take(')')) {
      int64_t dim = 0;
      bool digits = false;
      skipSpace();
      while (!rest.empty() && rest.front() >= '0' && rest.front() <= '9') {
        if (__builtin_mul_overflow(dim, int64_t(10), &dim) ||
            __builtin_add_overflow(dim, int64_t(rest.front() - '0'), &dim))
          return false;
        rest.remove_prefix(1);
        digits = true;
      }
      // NumPy's own limit is 64.
      if (!digits || shape.size() == 64)
        return false;
      shape.push_back(dim);
      if (!take(',') && !peek(')'))
        return false;
    }
    return true;
  }

  std::string_view rest;
};

/// What a header's descr means.
struct ItemType {
  MercerDataType dtype{};
  size_t bytes = 0;    ///< of one item in the file
  size_t swapUnit = 1; ///< bytes to reverse in items of foreign order
  bool packed = false; ///< items become less than a byte each
};

} // namespace

/// Bytes of an item of this type in a file: types below 8 bits take one.
static size_t itemBytes(MercerDataType dtype) {
  return dtype.bits < 8 ? 1 : dtype.bits / 8;
}

static bool isSmallInteger(MercerDataType dtype, uint8_t code) {
  return dtype.bits < 8 && dtype.code == code;
}

static Status parseType(const std::string &descr, MercerDataType declared,
                        const std::string &path, ItemType &type) {
  auto refuse = [&](const char *why) {
    return Status(Code::NpyUnsupported, path,
                  format("element type '%s' %s", descr.c_str(), why));
  };
  std::string_view text = descr;
  bool bigEndian = false;
  if (!text.empty() && strchr("<>|=", text.front())) {
    bigEndian = text.front() == '>';
    text.remove_prefix(1);
  }
  if (text.size() < 2 || text.size() > 3)
    return refuse("is not supported");
  const char kind = text.front();
  size_t width = 0;
  for (char c : text.substr(1)) {
    if (c < '0' || c > '9')
      return refuse("is not supported");
    width = width * 10 + (c - '0');
  }
  type.bytes = width;
  if ((kind == 'V' && (width == 1 || width == 2)) ||
      (kind == 'f' && width == 1)) {
    if (itemBytes(declared) != width)
      return {Code::DtypeMismatch, path,
              format("expects element type %s, got '%s'",
                     rt::dtypeName(declared), descr.c_str())};
    type.dtype = declared;
  } else {
    auto bits = static_cast<uint8_t>(width * 8);
    bool power = width == 1 || width == 2 || width == 4 || width == 8;
    if (kind == 'b' && width == 1)
      type.dtype = {MERCER_BOOL, 8, 1};
    else if (kind == 'i' && power)
      type.dtype = {MERCER_INT, bits, 1};
    else if (kind == 'u' && power)
      type.dtype = {MERCER_UINT, bits, 1};
    else if (kind == 'f' && power)
      type.dtype = {MERCER_FLOAT, bits, 1};
    else if (kind == 'c' && (width == 8 || width == 16))
      type.dtype = {MERCER_COMPLEX, bits, 1};
    else
      return refuse("is not supported");
    if (width == 1 && isSmallInteger(declared, type.dtype.code))
      type.dtype = declared;
  }
  type.packed = type.dtype.bits < 8;
  if (bigEndian)
    type.swapUnit = kind == 'c' ? width / 2 : width;
  return {};
}

/// One item per byte to packed; false if a value does not fit.
static bool packItems(const char *items, Array &array) {
  const unsigned bits = array.dtype.bits;
  memset(array.data(), 0, array.size());
  for (int64_t i = 0; i < array.count(); ++i) {
    const auto value = static_cast<signed char>(items[i]);
    const unsigned code =
        static_cast<unsigned char>(value) & ((1u << bits) - 1);
    // ml_dtypes writes negative int4 sign-extended; the other types must have
    // zeros above their bits.
    const int high = value >> (bits - 1);
    const bool extended = array.dtype.code == MERCER_INT && high == -1;
    if (static_cast<unsigned char>(value) != code && !extended)
      return false;
    array.data()[i * bits / 8] |= char(code << i * bits % 8);
  }
  return true;
}

/// Copies items from column-major to row-major order.
static void toRowMajor(const char *from, size_t item,
                       const std::vector<int64_t> &shape, int64_t count,
                       char *to) {
  const size_t rank = shape.size();
  std::vector<int64_t> stride(rank, 1), index(rank, 0);
  for (size_t d = 1; d < rank; ++d)
    stride[d] = stride[d - 1] * shape[d - 1];
  int64_t offset = 0;
  for (int64_t n = 0; n < count; ++n, to += item) {
    memcpy(to, from + offset * int64_t(item), item);
    for (size_t d = rank; d-- > 0;) {
      offset += stride[d];
      if (++index[d] < shape[d])
        break;
      offset -= stride[d] * shape[d];
      index[d] = 0;
    }
  }
}

Status readNpy(const std::string &path, MercerDataType declared, Array &array) {
  rt::MappedFile file;
  if (Status status = rt::MappedFile::open(path, file); status.failed())
    return status;
  auto malformed = [&](std::string what) {
    return Status(Code::NpyMalformed, path, std::move(what));
  };
  std::string_view text(file.data(), file.size());
  constexpr std::string_view magic("\x93NUMPY");
  if (text.size() < 10 || text.substr(0, magic.size()) != magic)
    return malformed("expects a .npy file");
  const unsigned version = static_cast<unsigned char>(text[6]);
  if (version < 1 || version > 3 || text[7] != 0)
    return malformed(format("expects format version 1.0 to 3.0, got %u.%u",
                            version, static_cast<unsigned char>(text[7])));
  const size_t lengthBytes = version == 1 ? 2 : 4;
  if (text.size() < 8 + lengthBytes)
    return malformed("the header is truncated");
  size_t length = 0;
  for (size_t i = 0; i < lengthBytes; ++i)
    length |= size_t(static_cast<unsigned char>(text[8 + i])) << 8 * i;
  text.remove_prefix(8 + lengthBytes);
  if (length > text.size())
    return malformed("the header is truncated");
  Header header;
  if (!HeaderParser(text.substr(0, length)).parse(header))
    return malformed("the header is not understood");
  text.remove_prefix(length);

  ItemType type;
  if (Status status = parseType(header.descr, declared, path, type);
      status.failed())
    return status;
  int64_t count, bytes;
  if (!rt::elementCount(header.shape.data(), header.shape.size(), count) ||
      __builtin_mul_overflow(count, int64_t(type.bytes), &bytes))
    return malformed("the shape is larger than the address space");
  if (uint64_t(bytes) != text.size())
    return malformed(format(
        "shape %s of '%s' needs %lld bytes, the file has %zu",
        rt::formatShape(header.shape.data(), header.shape.size()).c_str(),
        header.descr.c_str(), static_cast<long long>(bytes), text.size()));

  Array result;
  result.dtype = type.dtype;
  result.shape = header.shape;
  if (!result.allocate(count))
    return {
        Code::OutOfMemory, path,
        format("cannot allocate %lld bytes", static_cast<long long>(bytes))};
  const char *items = text.data();
  std::vector<char> ordered;
  if (header.fortranOrder && header.shape.size() > 1 && count > 0) {
    ordered.resize(bytes);
    toRowMajor(items, type.bytes, header.shape, count, ordered.data());
    items = ordered.data();
  }
  if (type.packed) {
    if (!packItems(items, result))
      return malformed(
          format("a value does not fit into %s", rt::dtypeName(type.dtype)));
  } else if (bytes > 0) {
    memcpy(result.data(), items, bytes);
    if (type.swapUnit > 1)
      for (int64_t at = 0; at < bytes; at += type.swapUnit)
        std::reverse(result.data() + at, result.data() + at + type.swapUnit);
  }
  array = std::move(result);
  return {};
}

static std::string descrOf(MercerDataType dtype) {
  const unsigned bytes = dtype.bits / 8;
  switch (dtype.code) {
  case MERCER_BOOL:
    return "|b1";
  case MERCER_COMPLEX:
    return format("<c%u", bytes);
  case MERCER_BFLOAT:
    return "<V2";
  case MERCER_FLOAT8_E5M2:
    return "<f1";
  case MERCER_INT:
  case MERCER_UINT:
  case MERCER_FLOAT:
    if (dtype.bits >= 8)
      return format("%c%c%u", bytes == 1 ? '|' : '<',
                    dtype.code == MERCER_INT    ? 'i'
                    : dtype.code == MERCER_UINT ? 'u'
                                                : 'f',
                    bytes);
    [[fallthrough]];
  default:
    return "<V1";
  }
}

Status writeNpy(const std::string &path, const Array &array) {
  std::string shape;
  for (int64_t dim : array.shape)
    shape += std::to_string(dim) + ", ";
  if (array.shape.size() > 1)
    shape.resize(shape.size() - 2);
  else if (array.shape.size() == 1)
    shape.pop_back();
  std::string dict = "{'descr': '" + descrOf(array.dtype) +
                     "', 'fortran_order': False, 'shape': (" + shape + "), }";
  // NumPy pads with spaces so that the data starts at a multiple of 64.
  const size_t prefix = 10;
  dict.append(63 - (prefix + dict.size()) % 64, ' ');
  dict += '\n';
  std::string head("\x93NUMPY\x01\x00", 8);
  head += char(dict.size() & 0xff);
  head += char(dict.size() >> 8);
  head += dict;

  if (array.dtype.bits >= 8)
    return rt::writeFile(path, {head, {array.data(), size_t(array.size())}});
  std::string items(array.count(), '\0');
  const unsigned bits = array.dtype.bits;
  for (int64_t i = 0; i < array.count(); ++i) {
    unsigned code =
        static_cast<unsigned char>(array.data()[i * bits / 8]) >> i * bits % 8 &
        ((1u << bits) - 1);
    if (array.dtype.code == MERCER_INT && code >> (bits - 1))
      code |= 0xffu << bits;
    items[i] = char(code);
  }
  return rt::writeFile(path, {head, items});
}

} // namespace mercer::run
