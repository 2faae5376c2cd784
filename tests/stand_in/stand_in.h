// What the parts of the stand-in share: the log of what a device was asked, and streams.
#pragma once
#include <cuda_runtime_api.h>

#include <cstddef>
#include <mutex>
#include <string>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace stand_in {

struct Graph {
  size_t kernels = 0;
};

struct Stream {
  int number;
  Graph* recording = nullptr;  // the graph that it is recorded into, if it is
  bool broken = false;         // whether something illegal was asked meanwhile
};

// What a library calls its handle.
struct Handle {
  void* stream = nullptr;
};

extern std::recursive_mutex mutex;
using Lock = std::lock_guard<std::recursive_mutex>;

// The stream of a handle; of none, the legacy stream.
Stream* stream_of(void* handle);

// The error, kept as the last one.
cudaError_t result(cudaError_t error);

// Whether this thread may not make calls that could disturb a recording (CUDA's rules of the three modes).
bool forbidden();

// Whether a call on a stream disturbs a recording: on one that is recorded, or on the legacy stream, which waits for all.
bool disturbs(Stream* stream);

// What comes of a call that is not allowed: the recording is broken.
cudaError_t illegal(const char* call, Stream* stream = nullptr);

// Add a line to the log, if it is kept.
void note(const char* kind, const std::string& name, size_t bytes = 0, Stream* stream = nullptr);

// A kernel or a library's call on a stream: noted, and counted by the graph that it is recorded into. 0, or the error.
int launched(const char* kind, const std::string& name, void* stream, size_t bytes = 0);

}  // namespace stand_in
