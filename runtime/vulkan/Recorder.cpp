//===- Recorder.cpp - work of one context on its way to the queue ---------===//

#include "runtime/vulkan/Recorder.h"

#include "runtime/core/Clock.h"

#include <algorithm>
#include <cstring>

namespace mercer::rt::vulkan {

namespace {

constexpr uint32_t queriesInBatch = 1024;
constexpr uint32_t setsInPool = 256, buffersInPool = 2048;
/// Copies between host and device go through pieces of at most this size, a
/// few of them in flight.
constexpr size_t stagingSize = 4 << 20, stagingLimit = 16 << 20;

bool conflict(const Access &a, const Access &b) {
  return (a.write || b.write) && a.begin < b.end && b.begin < a.end;
}

} // namespace

Recorder::~Recorder() {
  (void)finish();
  for (auto &batch : running)
    destroy(*batch);
  for (auto &batch : spare)
    destroy(*batch);
  if (current)
    destroy(*current);
}

//===----------------------------------------------------------------------===//
// Batches
//===----------------------------------------------------------------------===//

Status Recorder::createBatch(std::shared_ptr<Batch> &result) {
  auto batch = std::make_shared<Batch>();
  VkCommandPoolCreateInfo pool{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
  pool.flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT;
  pool.queueFamilyIndex = gpu->queueFamily();
  if (VkResult error =
          gpu->CreateCommandPool(gpu->device(), &pool, nullptr, &batch->pool))
    return gpu->failed(error, "vkCreateCommandPool");
  VkCommandBufferAllocateInfo commands{
      VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
  commands.commandPool = batch->pool;
  commands.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  commands.commandBufferCount = 1;
  if (VkResult error = gpu->AllocateCommandBuffers(gpu->device(), &commands,
                                                   &batch->commands)) {
    destroy(*batch);
    return gpu->failed(error, "vkAllocateCommandBuffers");
  }
  result = std::move(batch);
  return {};
}

void Recorder::destroy(Batch &batch) {
  VkDevice device = gpu->device();
  for (VkDescriptorPool pool : batch.descriptors)
    gpu->DestroyDescriptorPool(device, pool, nullptr);
  for (Staging &staging : batch.staging)
    gpu->destroy(staging.buffer);
  gpu->DestroyQueryPool(device, batch.queries, nullptr);
  gpu->DestroyCommandPool(device, batch.pool, nullptr);
  for (uint64_t address : batch.released)
    gpu->release(address, batch.serial);
  batch = Batch();
}

/// Makes a batch that the device has finished usable again.
Status Recorder::recycle(Batch &batch) {
  for (size_t i = 0; i < batch.descriptorsUsed; ++i)
    gpu->ResetDescriptorPool(gpu->device(), batch.descriptors[i], 0);
  batch.descriptorsUsed = 0;
  batch.queryCount = 0;
  batch.timed = false;
  batch.ticks.clear();
  // One piece is kept; a batch with large copies was an exception.
  while (batch.staging.size() > 1) {
    gpu->destroy(batch.staging.back().buffer);
    batch.staging.pop_back();
  }
  for (Staging &staging : batch.staging)
    staging.used = 0;
  if (VkResult error = gpu->ResetCommandPool(gpu->device(), batch.pool, 0))
    return gpu->failed(error, "vkResetCommandPool");
  return {};
}

/// There is a batch to record into after this.
Status Recorder::begin() {
  if (current)
    return {};
  const uint64_t done = gpu->completed();
  // Batches with times that nobody has read yet stay as they are.
  while (!running.empty() && running.front()->serial <= done &&
         running.front().use_count() == 1) {
    spare.push_back(std::move(running.front()));
    running.pop_front();
  }
  std::shared_ptr<Batch> batch;
  if (!spare.empty()) {
    batch = std::move(spare.back());
    spare.pop_back();
    if (Status status = recycle(*batch); status.failed()) {
      destroy(*batch);
      return status;
    }
  } else if (Status status = createBatch(batch); status.failed()) {
    return status;
  }
  VkCommandBufferBeginInfo info{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  info.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
  if (VkResult error = gpu->BeginCommandBuffer(batch->commands, &info)) {
    destroy(*batch);
    return gpu->failed(error, "vkBeginCommandBuffer");
  }
  current = std::move(batch);
  // What was submitted before, by this context or another, comes first.
  barrier();
  return {};
}

Status Recorder::submit() {
  if (!current)
    return {};
  std::shared_ptr<Batch> batch = std::move(current);
  current = nullptr;
  pending.clear();
  // The host may look at all that was written.
  VkMemoryBarrier visible{VK_STRUCTURE_TYPE_MEMORY_BARRIER};
  visible.srcAccessMask =
      VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
  visible.dstAccessMask = VK_ACCESS_HOST_READ_BIT;
  gpu->CmdPipelineBarrier(
      batch->commands,
      VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
      VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &visible, 0, nullptr, 0, nullptr);
  VkResult error = gpu->EndCommandBuffer(batch->commands);
  Status status = error ? gpu->failed(error, "vkEndCommandBuffer")
                        : gpu->submit(batch->commands, batch->serial);
  if (status.failed()) {
    // It never ran: nothing waits for the device but what was there before.
    batch->serial = gpu->submitted();
    launches.clear();
    destroy(*batch);
    return status;
  }
  for (uint64_t address : batch->released)
    gpu->release(address, batch->serial);
  batch->released.clear();
  running.push_back(std::move(batch));
  return {};
}

Status Recorder::finish() {
  if (Status status = submit(); status.failed())
    return status;
  return running.empty() ? Status() : gpu->wait(running.back()->serial);
}

bool Recorder::idle() {
  return !current && gpu->completed() >= gpu->submitted();
}

void Recorder::release(uint64_t address) {
  if (current)
    current->released.push_back(address);
  else
    gpu->release(address, gpu->submitted());
}

//===----------------------------------------------------------------------===//
// Order
//===----------------------------------------------------------------------===//

void Recorder::barrier() {
  constexpr VkPipelineStageFlags stages =
      VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
  VkMemoryBarrier memory{VK_STRUCTURE_TYPE_MEMORY_BARRIER};
  memory.srcAccessMask =
      VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
  memory.dstAccessMask =
      VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT |
      VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
  gpu->CmdPipelineBarrier(current->commands, stages, stages, 0, 1, &memory, 0,
                          nullptr, 0, nullptr);
  pending.clear();
}

/// The command that comes next makes these accesses.
void Recorder::order(const Access *accesses, size_t count) {
  // A long list would cost more than a barrier.
  bool ordered = pending.size() < 256;
  for (size_t i = 0; i < count && ordered; ++i)
    ordered =
        std::none_of(pending.begin(), pending.end(), [&](const Access &other) {
          return conflict(accesses[i], other);
        });
  if (!ordered)
    barrier();
  pending.insert(pending.end(), accesses, accesses + count);
}

//===----------------------------------------------------------------------===//
// Commands
//===----------------------------------------------------------------------===//

Status Recorder::newDescriptorPool(Batch &batch) {
  const VkDescriptorPoolSize size{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                  buffersInPool};
  VkDescriptorPoolCreateInfo info{
      VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO};
  info.maxSets = setsInPool;
  info.poolSizeCount = 1;
  info.pPoolSizes = &size;
  VkDescriptorPool pool;
  if (VkResult error =
          gpu->CreateDescriptorPool(gpu->device(), &info, nullptr, &pool))
    return gpu->failed(error, "vkCreateDescriptorPool");
  batch.descriptors.push_back(pool);
  return {};
}

Status Recorder::descriptorSet(const Kernel &kernel, uint32_t buffers,
                               VkDescriptorSet &set) {
  Batch &batch = *current;
  if (buffers > buffersInPool)
    return {Code::DeviceLimit, "Vulkan",
            format("a kernel has %u buffers", buffers)};
  VkDescriptorSetAllocateInfo info{
      VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO};
  info.descriptorSetCount = 1;
  info.pSetLayouts = &kernel.setLayout;
  // The pool in use may be full; a fresh one is not.
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (batch.descriptorsUsed == 0 || attempt > 0) {
      if (batch.descriptorsUsed == batch.descriptors.size())
        if (Status status = newDescriptorPool(batch); status.failed())
          return status;
      setsLeft = setsInPool;
      buffersLeft = buffersInPool;
      ++batch.descriptorsUsed;
    }
    // Counted here, since asking too much of a pool is not valid everywhere.
    if (setsLeft == 0 || buffersLeft < buffers)
      continue;
    info.descriptorPool = batch.descriptors[batch.descriptorsUsed - 1];
    VkResult error = gpu->AllocateDescriptorSets(gpu->device(), &info, &set);
    if (error == VK_SUCCESS) {
      --setsLeft;
      buffersLeft -= buffers;
      return {};
    }
    if (error != VK_ERROR_OUT_OF_POOL_MEMORY &&
        error != VK_ERROR_FRAGMENTED_POOL)
      return gpu->failed(error, "vkAllocateDescriptorSets");
    setsLeft = 0;
  }
  return {Code::DeviceFailed, "vkAllocateDescriptorSets",
          "a new pool has no room"};
}

Status Recorder::dispatch(const Dispatch &request) {
  // A batch has so many timestamps; the next one has its own.
  if (timed && current && current->queryCount + 2 > queriesInBatch)
    if (Status status = submit(); status.failed())
      return status;
  if (Status status = begin(); status.failed())
    return status;
  Batch &batch = *current;
  const bool stamps = timed && gpu->timestampBits() > 0;
  if (stamps && !batch.timed) {
    if (!batch.queries) {
      VkQueryPoolCreateInfo info{VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO};
      info.queryType = VK_QUERY_TYPE_TIMESTAMP;
      info.queryCount = queriesInBatch;
      if (VkResult error = gpu->CreateQueryPool(gpu->device(), &info, nullptr,
                                                &batch.queries))
        return gpu->failed(error, "vkCreateQueryPool");
    }
    gpu->CmdResetQueryPool(batch.commands, batch.queries, 0, queriesInBatch);
    batch.timed = true;
  }
  std::vector<VkDescriptorBufferInfo> buffers = request.buffers;
  const size_t blockBytes = request.words * sizeof(uint32_t);
  if (request.blockInBuffer) {
    const Staging *staging;
    size_t offset;
    if (Status status =
            stage(blockBytes, gpu->limits().minStorageBufferOffsetAlignment,
                  staging, offset);
        status.failed())
      return status;
    memcpy(staging->buffer.mapped + offset, request.block, blockBytes);
    buffers.push_back({staging->buffer.handle, offset, blockBytes});
  }
  VkDescriptorSet set;
  if (Status status = descriptorSet(*request.kernel,
                                    static_cast<uint32_t>(buffers.size()), set);
      status.failed())
    return status;
  std::vector<VkWriteDescriptorSet> writes(buffers.size());
  for (uint32_t i = 0; i < writes.size(); ++i) {
    writes[i] = {VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET};
    writes[i].dstSet = set;
    writes[i].dstBinding = i;
    writes[i].descriptorCount = 1;
    writes[i].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    writes[i].pBufferInfo = &buffers[i];
  }
  gpu->UpdateDescriptorSets(gpu->device(), static_cast<uint32_t>(writes.size()),
                            writes.data(), 0, nullptr);
  order(request.accesses.data(), request.accesses.size());
  // Launches that overlap have no times of their own.
  if (timed && !pending.empty()) {
    barrier();
    pending = request.accesses;
  }
  VkCommandBuffer commands = batch.commands;
  gpu->CmdBindPipeline(commands, VK_PIPELINE_BIND_POINT_COMPUTE,
                       request.kernel->pipeline);
  gpu->CmdBindDescriptorSets(commands, VK_PIPELINE_BIND_POINT_COMPUTE,
                             request.kernel->layout, 0, 1, &set, 0, nullptr);
  if (!request.blockInBuffer)
    gpu->CmdPushConstants(commands, request.kernel->layout,
                          VK_SHADER_STAGE_COMPUTE_BIT, 0,
                          static_cast<uint32_t>(blockBytes), request.block);
  const uint32_t query = batch.queryCount;
  if (stamps)
    gpu->CmdWriteTimestamp(commands, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT,
                           batch.queries, query);
  gpu->CmdDispatch(commands, request.groups, 1, 1);
  if (stamps) {
    gpu->CmdWriteTimestamp(commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT,
                           batch.queries, query + 1);
    batch.queryCount += 2;
  }
  if (timed)
    launches.push_back(
        {stamps ? current : nullptr, query, monotonicNanoseconds(),
         static_cast<uint32_t>(std::min<uint64_t>(
             uint64_t(request.groups) * request.threads, UINT32_MAX))});
  return {};
}

Status Recorder::copy(uint64_t to, Place target, uint64_t from, Place source,
                      size_t bytes) {
  if (Status status = begin(); status.failed())
    return status;
  const Access accesses[] = {{to, to + bytes, true},
                             {from, from + bytes, false}};
  order(accesses, 2);
  const VkBufferCopy region{source.offset, target.offset, bytes};
  gpu->CmdCopyBuffer(current->commands, source.buffer->handle,
                     target.buffer->handle, 1, &region);
  return {};
}

Status Recorder::fill(uint64_t to, Place target, uint32_t value, size_t bytes) {
  if (Status status = begin(); status.failed())
    return status;
  const Access access{to, to + bytes, true};
  order(&access, 1);
  gpu->CmdFillBuffer(current->commands, target.buffer->handle, target.offset,
                     bytes, value);
  return {};
}

/// Room in host memory that lives as long as the current batch.
Status Recorder::stage(size_t bytes, size_t alignment, const Staging *&result,
                       size_t &offset) {
  for (Staging &staging : current->staging) {
    offset = (staging.used + alignment - 1) / alignment * alignment;
    if (offset + bytes <= staging.buffer.size) {
      staging.used = offset + bytes;
      result = &staging;
      return {};
    }
  }
  Staging staging;
  if (Status status =
          gpu->createStaging(std::max(bytes, stagingSize), staging.buffer);
      status.failed())
    return status;
  staging.used = bytes;
  current->staging.push_back(staging);
  result = &current->staging.back();
  offset = 0;
  return {};
}

Status Recorder::upload(uint64_t to, Place target, const void *from,
                        size_t bytes) {
  const char *data = static_cast<const char *>(from);
  while (bytes > 0) {
    if (Status status = begin(); status.failed())
      return status;
    const size_t part = std::min(bytes, stagingSize);
    const Staging *staging;
    size_t offset;
    if (Status status = stage(part, 16, staging, offset); status.failed())
      return status;
    memcpy(staging->buffer.mapped + offset, data, part);
    const Access access{to, to + part, true};
    order(&access, 1);
    const VkBufferCopy region{offset, target.offset, part};
    gpu->CmdCopyBuffer(current->commands, staging->buffer.handle,
                       target.buffer->handle, 1, &region);
    to += part;
    target.offset += part;
    data += part;
    bytes -= part;
    // The device copies while the host fills the next pieces.
    if (current->staging.size() * stagingSize < stagingLimit)
      continue;
    if (Status status = submit(); status.failed())
      return status;
    if (running.size() > 2)
      if (Status status = gpu->wait(running[running.size() - 3]->serial);
          status.failed())
        return status;
  }
  return {};
}

Status Recorder::download(void *to, uint64_t from, Place source, size_t bytes) {
  char *data = static_cast<char *>(to);
  while (bytes > 0) {
    if (Status status = begin(); status.failed())
      return status;
    const size_t part = std::min(bytes, stagingLimit);
    const Staging *staging;
    size_t offset;
    if (Status status = stage(part, 16, staging, offset); status.failed())
      return status;
    const Access access{from, from + part, false};
    order(&access, 1);
    const VkBufferCopy region{source.offset, offset, part};
    gpu->CmdCopyBuffer(current->commands, source.buffer->handle,
                       staging->buffer.handle, 1, &region);
    // The batch keeps the memory until the next one begins.
    const char *copied = staging->buffer.mapped + offset;
    if (Status status = finish(); status.failed())
      return status;
    memcpy(data, copied, part);
    from += part;
    source.offset += part;
    data += part;
    bytes -= part;
  }
  return {};
}

//===----------------------------------------------------------------------===//
// Times
//===----------------------------------------------------------------------===//

void Recorder::noteEmptyLaunch() {
  if (timed)
    launches.push_back({nullptr, 0, monotonicNanoseconds(), 0});
}

Status Recorder::takeTimes(std::vector<LaunchTime> &times) {
  if (launches.empty())
    return {};
  if (Status status = finish(); status.failed())
    return status;
  // The device's clock starts anywhere: its latest tick was about now.
  const uint64_t now = monotonicNanoseconds();
  const double period = gpu->limits().timestampPeriod;
  const uint32_t bits = gpu->timestampBits();
  const uint64_t mask = bits >= 64 ? ~uint64_t(0) : (uint64_t(1) << bits) - 1;
  uint64_t last = 0;
  for (Launch &launch : launches) {
    if (!launch.batch)
      continue;
    Batch &batch = *launch.batch;
    if (batch.ticks.empty()) {
      batch.ticks.resize(batch.queryCount);
      if (VkResult error = gpu->GetQueryPoolResults(
              gpu->device(), batch.queries, 0, batch.queryCount,
              batch.ticks.size() * sizeof(uint64_t), batch.ticks.data(),
              sizeof(uint64_t),
              VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT))
        return gpu->failed(error, "vkGetQueryPoolResults");
    }
    last = batch.ticks[launch.query + 1] & mask;
  }
  auto nanoseconds = [&](uint64_t from, uint64_t to) {
    return static_cast<uint64_t>(double((to - from) & mask) * period);
  };
  for (Launch &launch : launches) {
    if (!launch.batch) {
      times.push_back({launch.startNs, 0, launch.threads});
      continue;
    }
    const uint64_t begin = launch.batch->ticks[launch.query] & mask;
    const uint64_t end = launch.batch->ticks[launch.query + 1] & mask;
    times.push_back({now - nanoseconds(begin, last), nanoseconds(begin, end),
                     launch.threads});
  }
  launches.clear();
  return {};
}

} // namespace mercer::rt::vulkan
