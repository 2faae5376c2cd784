// A CUDA runtime without a device: devices, and memory, which is the host's.
#include "stand_in.h"

#include <cuda_runtime_api.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <vector>

using namespace stand_in;

namespace {

size_t number_in(const char* variable, size_t otherwise) {
  const char* text = getenv(variable);
  return text ? strtoull(text, nullptr, 10) : otherwise;
}

const size_t MEMORY = number_in("STAND_IN_BYTES", size_t(80) << 30);
const int DEVICES = int(number_in("STAND_IN_DEVICES", 1));
const bool CONTENT = number_in("STAND_IN_CONTENT", 0);  // whether copies to the device arrive; else its memory is zero
const size_t COPIED = size_t(16) << 20;                // larger ones never do

thread_local int device = 0;
thread_local cudaError_t last_error = cudaSuccess;

// ---- the log

struct Event {
  const char* kind;
  std::string name;
  size_t bytes;
  int stream;
  bool recorded;
};
std::vector<Event> events;
bool keeping = false;

// ---- memory

struct Block {
  size_t bytes;
  bool on_device;
  int device;
};
std::map<char*, Block> blocks;
size_t used = 0, peak = 0;

cudaError_t take(void** out, size_t bytes, bool on_device) {
  bytes = std::max<size_t>(1, (bytes + 511) / 512) * 512;
  *out = nullptr;
  if (on_device && used + bytes > MEMORY) return result(cudaErrorMemoryAllocation);
  void* place = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (place == MAP_FAILED) return result(cudaErrorMemoryAllocation);
  blocks[static_cast<char*>(place)] = {bytes, on_device, device};
  if (on_device) peak = std::max(peak, used += bytes);
  *out = place;
  return cudaSuccess;
}

cudaError_t give_back(void* place) {
  auto found = blocks.find(static_cast<char*>(place));
  if (found == blocks.end()) return cudaSuccess;
  if (found->second.on_device) used -= found->second.bytes;
  munmap(place, found->second.bytes);
  blocks.erase(found);
  return cudaSuccess;
}

Block* block_of(const void* place) {
  auto after = blocks.upper_bound(const_cast<char*>(static_cast<const char*>(place)));
  if (after == blocks.begin()) return nullptr;
  auto& [start, block] = *--after;
  return static_cast<const char*>(place) < start + block.bytes ? &block : nullptr;
}

// "to device", "to host", ..., with "pageable" where the host's side is not pinned; moves what is small.
std::string copy(void* to, const void* from, size_t bytes, bool move) {
  Block *target = block_of(to), *source = block_of(from);
  bool down = target && target->on_device, up = source && source->on_device;
  if (move && bytes <= COPIED && (CONTENT || !down)) memmove(to, from, bytes);
  else if (move && !down) memset(to, 0, bytes);
  std::string name = down ? (up ? "on device" : "to device") : up ? "to host" : "on host";
  return name + (target && source ? "" : " pageable");
}

}  // namespace

namespace stand_in {

std::recursive_mutex mutex;

cudaError_t result(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

void note(const char* kind, const std::string& name, size_t bytes, Stream* stream) {
  if (keeping) events.push_back({kind, name, bytes, stream ? stream->number : 0, stream && stream->recording});
}

}  // namespace stand_in

// ---- for the tests

EXPORT void stand_in_keep(int on) {
  Lock lock(mutex);
  if (on) events.clear();
  keeping = on;
}

EXPORT void stand_in_write(const char* path) {
  Lock lock(mutex);
  FILE* file = fopen(path, "w");
  for (auto& e : events) fprintf(file, "%s\t%s\t%zu\t%d\t%d\n", e.kind, e.name.c_str(), e.bytes, e.stream, e.recorded);
  fclose(file);
}

EXPORT size_t stand_in_peak(int reset) {
  Lock lock(mutex);
  if (reset) peak = used;
  return peak;
}

// ---- devices

EXPORT cudaError_t cudaGetDeviceCount(int* count) { return *count = DEVICES, cudaSuccess; }
EXPORT cudaError_t cudaGetDevice(int* out) { return *out = device, cudaSuccess; }
EXPORT cudaError_t cudaSetDevice(int wanted) {
  if (wanted < 0 || wanted >= DEVICES) return result(cudaErrorInvalidDevice);
  return device = wanted, cudaSuccess;
}
EXPORT cudaError_t cudaDriverGetVersion(int* version) { return *version = CUDART_VERSION, cudaSuccess; }
EXPORT cudaError_t cudaRuntimeGetVersion(int* version) { return *version = CUDART_VERSION, cudaSuccess; }
EXPORT cudaError_t cudaPeekAtLastError() { return last_error; }
EXPORT cudaError_t cudaGetLastError() {
  cudaError_t error = last_error;
  return last_error = cudaSuccess, error;
}
EXPORT const char* cudaGetErrorName(cudaError_t error) {
  return error == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation" : "cudaErrorOfTheStandIn";
}
EXPORT const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidDevice: return "invalid device ordinal";
    case cudaErrorStreamCaptureUnsupported: return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated: return "operation failed due to a previous error during capture";
    case cudaErrorStreamCaptureIsolation: return "dependency created on uncaptured work in another stream";
    default: return "an error of the stand-in";
  }
}

EXPORT cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  static const std::map<int, int> KNOWN = {
      {cudaDevAttrMultiProcessorCount, 132},
      {cudaDevAttrComputeCapabilityMajor, 9},
      {cudaDevAttrComputeCapabilityMinor, 0},
      {cudaDevAttrMaxThreadsPerBlock, 1024},
      {cudaDevAttrMaxThreadsPerMultiProcessor, 2048},
      {cudaDevAttrMaxBlocksPerMultiprocessor, 32},
      {cudaDevAttrMaxRegistersPerBlock, 65536},
      {cudaDevAttrMaxSharedMemoryPerBlock, 49152},
      {cudaDevAttrMaxSharedMemoryPerBlockOptin, 232448},
      {cudaDevAttrMaxSharedMemoryPerMultiprocessor, 233472},
      {cudaDevAttrMaxGridDimX, 2147483647},
      {cudaDevAttrMaxGridDimY, 65535},
      {cudaDevAttrMaxGridDimZ, 65535},
      {cudaDevAttrWarpSize, 32},
      {cudaDevAttrL2CacheSize, 50 << 20},
  };
  auto found = KNOWN.find(attribute);
  return *value = found == KNOWN.end() ? 1 : found->second, cudaSuccess;
}

EXPORT cudaError_t cudaGetDeviceProperties(cudaDeviceProp* out, int number) {
  memset(out, 0, sizeof *out);
  strcpy(out->name, "a stand-in for a GPU");
  auto value = [number](cudaDeviceAttr attribute) {
    int found;
    cudaDeviceGetAttribute(&found, attribute, number);
    return found;
  };
  out->totalGlobalMem = MEMORY;
  out->major = 9;
  out->multiProcessorCount = value(cudaDevAttrMultiProcessorCount);
  out->maxThreadsPerBlock = out->maxThreadsDim[0] = out->maxThreadsDim[1] = value(cudaDevAttrMaxThreadsPerBlock);
  out->maxThreadsDim[2] = 64;
  out->maxThreadsPerMultiProcessor = value(cudaDevAttrMaxThreadsPerMultiProcessor);
  out->maxBlocksPerMultiProcessor = value(cudaDevAttrMaxBlocksPerMultiprocessor);
  out->maxGridSize[0] = value(cudaDevAttrMaxGridDimX);
  out->maxGridSize[1] = out->maxGridSize[2] = value(cudaDevAttrMaxGridDimY);
  out->regsPerBlock = out->regsPerMultiprocessor = value(cudaDevAttrMaxRegistersPerBlock);
  out->sharedMemPerBlock = value(cudaDevAttrMaxSharedMemoryPerBlock);
  out->sharedMemPerBlockOptin = value(cudaDevAttrMaxSharedMemoryPerBlockOptin);
  out->sharedMemPerMultiprocessor = value(cudaDevAttrMaxSharedMemoryPerMultiprocessor);
  out->l2CacheSize = value(cudaDevAttrL2CacheSize);
  out->warpSize = 32;
  out->textureAlignment = 512;
  out->memPitch = 2147483647;
  out->totalConstMem = 65536;
  out->concurrentKernels = out->unifiedAddressing = out->cooperativeLaunch = 1;
  return cudaSuccess;
}

EXPORT cudaError_t cudaDeviceCanAccessPeer(int* can, int, int) { return *can = 0, cudaSuccess; }
EXPORT cudaError_t cudaDeviceEnablePeerAccess(int, unsigned) { return cudaSuccess; }
EXPORT cudaError_t cudaDeviceGetPCIBusId(char* out, int size, int number) {
  snprintf(out, size, "0000:%02x:00.0", number + 1);
  return cudaSuccess;
}
EXPORT cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  if (least) *least = 0;
  if (greatest) *greatest = -5;
  return cudaSuccess;
}
EXPORT cudaError_t cudaDeviceSynchronize() {
  Lock lock(mutex);
  if (forbidden()) return illegal("cudaDeviceSynchronize");
  return note("wait", "cudaDeviceSynchronize"), cudaSuccess;
}

// ---- memory

EXPORT cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  Lock lock(mutex);
  return *total = MEMORY, *free = MEMORY - used, cudaSuccess;
}
EXPORT cudaError_t cudaMalloc(void** out, size_t bytes) {
  Lock lock(mutex);
  if (forbidden()) return illegal("cudaMalloc");
  note("allocation", "on device", bytes);
  return take(out, bytes, true);
}
EXPORT cudaError_t cudaFree(void* place) {
  Lock lock(mutex);
  if (!place) return cudaSuccess;
  if (forbidden()) return illegal("cudaFree");
  note("release", "on device");
  return give_back(place);
}
EXPORT cudaError_t cudaHostAlloc(void** out, size_t bytes, unsigned) {
  Lock lock(mutex);
  if (forbidden()) return illegal("cudaHostAlloc");
  note("allocation", "pinned", bytes);
  return take(out, bytes, false);
}
EXPORT cudaError_t cudaFreeHost(void* place) {
  Lock lock(mutex);
  return give_back(place);
}
EXPORT cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* out, const void* place) {
  Lock lock(mutex);
  memset(out, 0, sizeof *out);
  Block* block = block_of(place);
  out->type = !block ? cudaMemoryTypeUnregistered : block->on_device ? cudaMemoryTypeDevice : cudaMemoryTypeHost;
  if (block) out->device = block->device, out->devicePointer = const_cast<void*>(place);
  if (block && !block->on_device) out->hostPointer = const_cast<void*>(place);
  return cudaSuccess;
}
EXPORT cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t handle) {
  Lock lock(mutex);
  Stream* stream = stream_of(handle);
  if (!stream->recording && disturbs(stream)) return illegal("cudaMemcpyAsync on the legacy stream");
  std::string name = copy(to, from, bytes, !stream->recording);
  note("copy", name, bytes, stream);
  if (!stream->recording) return cudaSuccess;
  stream->recording->kernels++;
  return name.find("pageable") == std::string::npos ? cudaSuccess : illegal("cudaMemcpyAsync of pageable memory", stream);
}
EXPORT cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind) {
  Lock lock(mutex);
  if (forbidden()) return illegal("cudaMemcpy");
  note("wait", "cudaMemcpy " + copy(to, from, bytes, true), bytes);
  return cudaSuccess;
}
EXPORT cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, size_t bytes, cudaStream_t stream) {
  return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream);
}
EXPORT cudaError_t cudaMemcpy2DAsync(void*, size_t, const void*, size_t, size_t width, size_t height, cudaMemcpyKind,
                                     cudaStream_t stream) {
  return cudaError_t(launched("copy", "rows", stream, width * height));
}
EXPORT cudaError_t cudaMemsetAsync(void* place, int value, size_t bytes, cudaStream_t handle) {
  Lock lock(mutex);
  if (int error = launched("fill", "cudaMemsetAsync", handle, bytes)) return cudaError_t(error);
  if (!stream_of(handle)->recording && bytes <= 4096) memset(place, value, bytes);
  return cudaSuccess;
}
EXPORT cudaError_t cudaGetSymbolAddress(void** out, const void*) {
  static char constants[1 << 16];
  return *out = constants, cudaSuccess;
}
