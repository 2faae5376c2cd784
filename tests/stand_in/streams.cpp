// A CUDA runtime without a device: streams, events, kernels, which do nothing, and recordings, while which may not be done
// what may not on a device.
#include "stand_in.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <thread>
#include <unordered_map>
#include <vector>

using namespace stand_in;

namespace {

struct Capture {
  Stream* stream;
  std::thread::id thread;
  cudaStreamCaptureMode mode;
};
std::vector<Capture> captures;
std::set<Stream*> streams;
Stream legacy{0};
int stream_count = 0;
thread_local cudaStreamCaptureMode thread_mode = cudaStreamCaptureModeGlobal;

std::unordered_map<const void*, std::string> kernel_names;

std::string kernel_name(const void* function) {
  auto found = kernel_names.find(function);
  return found == kernel_names.end() ? "unknown" : found->second;
}

}  // namespace

namespace stand_in {

bool forbidden() {
  if (thread_mode == cudaStreamCaptureModeRelaxed) return false;
  for (auto& capture : captures) {
    bool own = capture.thread == std::this_thread::get_id();
    if (own && capture.mode != cudaStreamCaptureModeRelaxed) return true;
    if (!own && thread_mode == cudaStreamCaptureModeGlobal && capture.mode == cudaStreamCaptureModeGlobal) return true;
  }
  return false;
}

cudaError_t illegal(const char* call, Stream* stream) {
  note("illegal", call, 0, stream);
  for (auto& capture : captures)
    if (!stream || capture.stream->recording == stream->recording) capture.stream->broken = true;
  if (stream) stream->broken = true;
  return result(cudaErrorStreamCaptureUnsupported);
}

bool disturbs(Stream* stream) { return stream->recording || (stream == &legacy && forbidden()); }

Stream* stream_of(void* handle) {
  return !handle || handle == cudaStreamLegacy || handle == cudaStreamPerThread ? &legacy : static_cast<Stream*>(handle);
}

int launched(const char* kind, const std::string& name, void* handle, size_t bytes) {
  Lock lock(mutex);
  Stream* stream = stream_of(handle);
  if (stream->recording) stream->recording->kernels++;
  else if (disturbs(stream)) return illegal("a kernel on the legacy stream");
  note(kind, name, bytes, stream);
  return cudaSuccess;
}

}  // namespace stand_in

// ---- streams and recording

EXPORT cudaError_t cudaStreamCreateWithPriority(cudaStream_t* out, unsigned, int) {
  Lock lock(mutex);
  auto stream = new Stream{++stream_count};
  streams.insert(stream);
  return *out = reinterpret_cast<cudaStream_t>(stream), cudaSuccess;
}
EXPORT cudaError_t cudaStreamCreateWithFlags(cudaStream_t* out, unsigned flags) {
  return cudaStreamCreateWithPriority(out, flags, 0);
}
EXPORT cudaError_t cudaStreamCreate(cudaStream_t* out) { return cudaStreamCreateWithPriority(out, 0, 0); }
EXPORT cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  Lock lock(mutex);
  streams.erase(stream_of(handle));
  return cudaSuccess;
}
EXPORT cudaError_t cudaStreamGetPriority(cudaStream_t, int* priority) { return *priority = 0, cudaSuccess; }
EXPORT cudaError_t cudaStreamQuery(cudaStream_t handle) {
  Lock lock(mutex);
  return disturbs(stream_of(handle)) ? illegal("cudaStreamQuery", stream_of(handle)) : cudaSuccess;
}
EXPORT cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  Lock lock(mutex);
  if (disturbs(stream_of(handle))) return illegal("cudaStreamSynchronize", stream_of(handle));
  return note("wait", "cudaStreamSynchronize", 0, stream_of(handle)), cudaSuccess;
}
EXPORT cudaError_t cudaLaunchHostFunc(cudaStream_t handle, cudaHostFn_t function, void* data) {
  if (int error = launched("host function", "", handle)) return cudaError_t(error);
  return function(data), cudaSuccess;
}

EXPORT cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  Lock lock(mutex);
  Stream* stream = stream_of(handle);
  if (stream == &legacy) return illegal("cudaStreamBeginCapture of the legacy stream");
  stream->recording = new Graph;
  stream->broken = false;
  captures.push_back({stream, std::this_thread::get_id(), mode});
  return cudaSuccess;
}
EXPORT cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* out) {
  Lock lock(mutex);
  Stream* stream = stream_of(handle);
  Graph* graph = stream->recording;
  auto here = std::find_if(captures.begin(), captures.end(), [&](Capture& c) { return c.stream == stream; });
  if (here == captures.end()) return result(cudaErrorIllegalState);
  captures.erase(here);
  bool broken = false;
  for (Stream* other : streams) {  // those that joined it end with it
    if (other->recording != graph) continue;
    broken = broken || other->broken;
    other->recording = nullptr;
    other->broken = false;
  }
  note("recording", broken ? "broken" : "whole", graph->kernels, stream);
  *out = broken ? nullptr : reinterpret_cast<cudaGraph_t>(graph);
  return broken ? result(cudaErrorStreamCaptureInvalidated) : cudaSuccess;
}
static cudaStreamCaptureStatus status_of(Stream* stream) {
  if (!stream->recording) return cudaStreamCaptureStatusNone;
  return stream->broken ? cudaStreamCaptureStatusInvalidated : cudaStreamCaptureStatusActive;
}
EXPORT cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  Lock lock(mutex);
  return *status = status_of(stream_of(handle)), cudaSuccess;
}
EXPORT cudaError_t cudaStreamGetCaptureInfo(cudaStream_t handle, cudaStreamCaptureStatus* status,
                                            unsigned long long* number, cudaGraph_t* graph,
                                            const cudaGraphNode_t** nodes, const cudaGraphEdgeData** edges,
                                            size_t* count) {
  Lock lock(mutex);
  Stream* stream = stream_of(handle);
  *status = status_of(stream);
  if (number) *number = reinterpret_cast<unsigned long long>(stream->recording);
  if (graph) *graph = reinterpret_cast<cudaGraph_t>(stream->recording);
  if (nodes) *nodes = nullptr;
  if (edges) *edges = nullptr;
  if (count) *count = 0;
  return cudaSuccess;
}
EXPORT cudaError_t cudaStreamUpdateCaptureDependencies(cudaStream_t, cudaGraphNode_t*, const cudaGraphEdgeData*, size_t,
                                                       unsigned) {
  return cudaSuccess;
}
EXPORT cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  return std::swap(*mode, thread_mode), cudaSuccess;
}
EXPORT cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* out, cudaGraph_t graph, unsigned long long) {
  return *out = reinterpret_cast<cudaGraphExec_t>(graph), cudaSuccess;
}
EXPORT cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t handle) {
  Lock lock(mutex);
  note("replay", "", reinterpret_cast<Graph*>(graph)->kernels, stream_of(handle));
  return cudaSuccess;
}
EXPORT cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) { return cudaSuccess; }
EXPORT cudaError_t cudaGraphDestroy(cudaGraph_t) { return cudaSuccess; }
EXPORT cudaError_t cudaGraphExecDestroy(cudaGraphExec_t) { return cudaSuccess; }
EXPORT cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t*, size_t* count) {
  return *count = reinterpret_cast<Graph*>(graph)->kernels, cudaSuccess;
}

// ---- events

namespace {
struct Mark {
  Graph* recording = nullptr;
  bool recorded = false;
};
Mark* mark_of(cudaEvent_t event) { return reinterpret_cast<Mark*>(event); }
}  // namespace

EXPORT cudaError_t cudaEventCreateWithFlags(cudaEvent_t* out, unsigned) {
  return *out = reinterpret_cast<cudaEvent_t>(new Mark), cudaSuccess;
}
EXPORT cudaError_t cudaEventCreate(cudaEvent_t* out) { return cudaEventCreateWithFlags(out, 0); }
EXPORT cudaError_t cudaEventDestroy(cudaEvent_t event) { return delete mark_of(event), cudaSuccess; }
EXPORT cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t handle, unsigned) {
  Lock lock(mutex);
  *mark_of(event) = {stream_of(handle)->recording, true};
  return cudaSuccess;
}
EXPORT cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle) {
  return cudaEventRecordWithFlags(event, handle, 0);
}
EXPORT cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned) {
  Lock lock(mutex);
  Stream* stream = stream_of(handle);
  Mark* mark = mark_of(event);
  if (mark->recording && !stream->recording) {  // it joins the recording
    stream->recording = mark->recording;
  } else if (stream->recording && mark->recorded && !mark->recording) {
    illegal("cudaStreamWaitEvent of work outside of the recording", stream);
    return result(cudaErrorStreamCaptureIsolation);
  }
  return cudaSuccess;
}
EXPORT cudaError_t cudaEventQuery(cudaEvent_t event) {
  Lock lock(mutex);
  return mark_of(event)->recording || forbidden() ? illegal("cudaEventQuery") : cudaSuccess;
}
EXPORT cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  Lock lock(mutex);
  if (mark_of(event)->recording || forbidden()) return illegal("cudaEventSynchronize");
  return note("wait", "cudaEventSynchronize"), cudaSuccess;
}
EXPORT cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t, cudaEvent_t) {
  return *milliseconds = 1, cudaSuccess;
}

// ---- kernels

EXPORT void** __cudaRegisterFatBinary(void*) {
  static void* handle[64];
  return handle;
}
EXPORT void __cudaRegisterFatBinaryEnd(void**) {}
EXPORT void __cudaUnregisterFatBinary(void**) {}
EXPORT char __cudaInitModule(void**) { return 1; }
EXPORT void __cudaRegisterVar(void**, char*, char*, const char*, int, size_t, int, int) {}
EXPORT void __cudaRegisterFunction(void**, const char* function, char*, const char* name, int, uint3*, uint3*, dim3*,
                                   dim3*, int*) {
  Lock lock(mutex);
  kernel_names[function] = name;
}

namespace {
struct Configuration {
  dim3 grid, block;
  size_t shared;
  void* stream;
};
thread_local std::vector<Configuration> configurations;
}  // namespace

EXPORT unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, void* stream) {
  return configurations.push_back({grid, block, shared, stream}), 0;
}
EXPORT cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared, void* stream) {
  if (configurations.empty()) return result(cudaErrorInvalidConfiguration);
  auto& top = configurations.back();
  *grid = top.grid, *block = top.block, *shared = top.shared, *static_cast<void**>(stream) = top.stream;
  return configurations.pop_back(), cudaSuccess;
}
EXPORT cudaError_t __cudaGetKernel(cudaKernel_t* out, const void* function) {
  return *out = static_cast<cudaKernel_t>(const_cast<void*>(function)), cudaSuccess;
}
EXPORT cudaError_t cudaLaunchKernel(const void* function, dim3, dim3, void**, size_t, cudaStream_t stream) {
  return cudaError_t(launched("kernel", kernel_name(function), stream));
}
EXPORT cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3, dim3, void**, size_t, cudaStream_t stream) {
  return cudaError_t(launched("kernel", kernel_name(kernel), stream));
}
EXPORT cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* how, const void* function, void**) {
  return cudaError_t(launched("kernel", kernel_name(function), how->stream));
}
EXPORT cudaError_t cudaLaunchCooperativeKernel(const void* function, dim3, dim3, void**, size_t, cudaStream_t stream) {
  return cudaError_t(launched("kernel", kernel_name(function), stream));
}
EXPORT cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* out, const void*) {
  memset(out, 0, sizeof *out);
  out->binaryVersion = out->ptxVersion = 90;
  out->maxThreadsPerBlock = 1024;
  out->numRegs = 32;
  out->maxDynamicSharedSizeBytes = 49152;
  return cudaSuccess;
}
EXPORT cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int) { return cudaSuccess; }
EXPORT cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks_of, const void*, int, size_t,
                                                                          unsigned) {
  return *blocks_of = 2, cudaSuccess;
}

// ---- the driver's functions, by name

static int nothing(...) { return 0; }
EXPORT cudaError_t cudaGetDriverEntryPointByVersion(const char* name, void** out, unsigned, unsigned long long,
                                                    cudaDriverEntryPointQueryResult* found) {
  void* own = dlsym(RTLD_DEFAULT, name);
  *out = own ? own : reinterpret_cast<void*>(nothing);
  if (found) *found = cudaDriverEntryPointSuccess;
  return cudaSuccess;
}
EXPORT cudaError_t cudaGetDriverEntryPoint(const char* name, void** out, unsigned long long,
                                           cudaDriverEntryPointQueryResult* found) {
  return cudaGetDriverEntryPointByVersion(name, out, 0, 0, found);
}
