//===- Scheduler.cpp - the lanes of a block as fibers ---------------------===//
//
// A lane runs until it meets a barrier or an operation of its subgroup, then
// the next lane that can run goes on, one of the same subgroup first. The last
// lane to arrive does not switch: it releases the others and continues.
//
//===----------------------------------------------------------------------===//

#include "runtime/emulator/State.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

using namespace mercer::emu;
namespace context = boost::context::detail;

/// Continues `to`; returns when somebody continues `from`.
static void switchTo(Lane &from, Lane &to) {
  context::transfer_t t = context::jump_fcontext(to.context, &from);
  static_cast<Lane *>(t.data)->context = t.fctx;
}

static void setRunning(MercerEmuState &state, uint32_t lane) {
  state.laneNumber = lane;
  state.key = state.epoch | lane;
  state.logEnd = state.lanes[lane].log + logCapacity;
}

/// Takes a lane that can run, of the running lane's subgroup if there is one.
static bool takeReady(MercerEmuState &state, uint32_t &lane) {
  const auto subgroup = static_cast<uint32_t>(state.kernel->subgroup);
  uint32_t group = state.laneNumber / subgroup;
  for (uint32_t i = 0; i < state.groupCount; ++i) {
    if (uint64_t ready = state.groups[group].ready) {
      state.groups[group].ready = ready & (ready - 1);
      lane = group * subgroup + __builtin_ctzll(ready);
      return true;
    }
    if (++group == state.groupCount)
      group = 0;
  }
  return false;
}

/// Nobody can run: some wait at a barrier, others for their subgroup.
[[noreturn]] static void failDeadlock(MercerEmuState &state) {
  for (uint32_t i = 0; i < state.groupCount; ++i) {
    const Group &group = state.groups[i];
    if (group.arrived == 0)
      continue;
    const char *place = state.barrierLanes
                            ? findSite(*state.kernel, state.barrierSite).where
                            : nullptr;
    fail(state, Code::EmulatedDivergence, group.site,
         "%u of the %lld lanes of subgroup %u came here, the others %s%s",
         group.arrived, static_cast<long long>(state.kernel->subgroup), i,
         place ? "wait at the barrier at " : "have ended", place ? place : "");
  }
  __builtin_trap();
}

/// Lets another lane run until this one is ready again.
static void yieldLane(MercerEmuState &state) {
  Lane &self = state.lanes[state.laneNumber];
  uint32_t next;
  if (!takeReady(state, next))
    failDeadlock(state);
  setRunning(state, next);
  switchTo(self, state.lanes[next]);
}

static uint64_t allLanes(const MercerEmuState &state) {
  return state.kernel->subgroup == 64
             ? ~uint64_t(0)
             : (uint64_t(1) << state.kernel->subgroup) - 1;
}

static void releaseAllButRunning(MercerEmuState &state) {
  const auto subgroup = static_cast<uint32_t>(state.kernel->subgroup);
  for (uint32_t i = 0; i < state.groupCount; ++i)
    state.groups[i].ready = allLanes(state);
  state.groups[state.laneNumber / subgroup].ready &=
      ~(uint64_t(1) << state.laneNumber % subgroup);
}

void mercer_emu_barrier(MercerEmuState *statePointer, uint32_t site) {
  MercerEmuState &state = *statePointer;
  if (state.doneLanes > 0)
    fail(state, Code::EmulatedDivergence, site,
         "%u lanes have ended without coming to this barrier", state.doneLanes);
  if (state.barrierLanes > 0 && state.barrierSite != site)
    fail(state, Code::EmulatedDivergence, site,
         "%u lanes wait at another barrier, at %s", state.barrierLanes,
         findSite(*state.kernel, state.barrierSite).where);
  state.barrierSite = site;
  if (++state.barrierLanes < state.kernel->threads)
    return yieldLane(state);
  countBankConflicts(state);
  ++state.barriers;
  state.barrierLanes = 0;
  state.epoch += epochStep;
  state.key += epochStep;
  releaseAllButRunning(state);
}

void mercer::emu::meet(MercerEmuState &state, Deposit &deposit) {
  const auto subgroup = static_cast<uint32_t>(state.kernel->subgroup);
  const uint32_t number = state.laneNumber / subgroup;
  Group &group = state.groups[number];
  state.lanes[state.laneNumber].deposit = &deposit;
  if (group.arrived > 0 && group.site != deposit.site) {
    const Site other = findSite(*state.kernel, group.site);
    fail(state, Code::EmulatedDivergence, deposit.site,
         "%u lanes of the subgroup are at another operation, %s at %s",
         group.arrived, other.what, other.where);
  }
  group.site = deposit.site;
  if (++group.arrived < subgroup)
    return yieldLane(state);
  deposit.compute(state, number * subgroup);
  ++state.warpOperations;
  group.arrived = 0;
  group.ready = allLanes(state) & ~(uint64_t(1) << state.laneNumber % subgroup);
}

/// The life of a fiber: one lane of one block after the other.
[[noreturn]] static void liveLane(context::transfer_t start) {
  Lane *from = static_cast<Lane *>(start.data);
  from->context = start.fctx;
  MercerEmuState &state = *from->state;
  const uint32_t number = state.laneNumber;
  Lane &self = state.lanes[number];
  while (true) {
    state.function(&state, state.params, number, state.block, state.grid,
                   state.tiles);
    ++state.doneLanes;
    if (state.barrierLanes > 0)
      fail(state, Code::EmulatedDivergence, state.barrierSite,
           "this lane ends while %u others wait at this barrier",
           state.barrierLanes);
    if (state.doneLanes == state.kernel->threads) {
      countBankConflicts(state);
      switchTo(self, state.main);
      continue;
    }
    yieldLane(state);
  }
}

void mercer::emu::startFiber(Lane &lane, char *stack, size_t bytes) {
  lane.context = context::make_fcontext(stack + bytes, bytes, &liveLane);
}

Site mercer::emu::findSite(const MercerEmuKernel &kernel, uint32_t site) {
  const char *text = kernel.sites;
  for (uint32_t i = 0; i < 2 * site; ++i)
    text += strlen(text) + 1;
  return {text, text + strlen(text) + 1};
}

void mercer::emu::fail(MercerEmuState &state, Code code, uint32_t site,
                       const char *format, ...) {
  char text[512], message[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  const Site place = findSite(*state.kernel, site);
  snprintf(message, sizeof(message), "block %lld, lane %u: %s at %s: %s",
           static_cast<long long>(state.block), state.laneNumber, place.what,
           place.where, text);
  keepError(state.params, static_cast<int32_t>(code), message);
  state.failed = true;
  // The lanes stay where they are; nobody continues them again.
  Lane abandoned{};
  switchTo(abandoned, state.main);
  __builtin_unreachable();
}

bool mercer::emu::runBlock(MercerEmuState &state) {
  state.epoch += epochStep;
  state.blockStart = state.epoch;
  state.barrierLanes = state.doneLanes = 0;
  state.failed = false;
  setRunning(state, 0);
  releaseAllButRunning(state);
  switchTo(state.main, state.lanes[0]);
  ++state.blocks;
  return !state.failed;
}
