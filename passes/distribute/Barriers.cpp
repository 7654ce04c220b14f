//===- Barriers.cpp - where the threads of a workgroup must meet ----------===//

#include "passes/distribute/Barriers.h"

using namespace mercer::distribute;

bool Barriers::needed(const Touch &touch) const {
  for (unsigned buffer : touch.reads) {
    auto found = touched.find(buffer);
    if (found != touched.end() && found->second)
      return true;
  }
  for (unsigned buffer : touch.writes)
    if (touched.count(buffer))
      return true;
  return false;
}

void Barriers::add(const Touch &touch) {
  for (unsigned buffer : touch.reads)
    touched.try_emplace(buffer, false);
  for (unsigned buffer : touch.writes)
    touched[buffer] = true;
}

void Barriers::clear() { touched.clear(); }

void Barriers::join(const Barriers &other) {
  for (auto [buffer, written] : other.touched)
    touched[buffer] |= written;
}
