// cuBLAS, cuDNN, NCCL and the driver's calls of Triton, as far as torch asks for them: everything succeeds, nothing is
// computed, and what would be launched is noted. Functions of which only success matters take any arguments.
#include "stand_in.h"

#include <cstdint>
#include <cstring>

using namespace stand_in;

namespace {

int new_handle(void** out) { return *out = new Handle, 0; }
void* stream_in(void* handle) { return static_cast<Handle*>(handle)->stream; }

const int CUDA_VERSION = 13000, MAX_THREADS_PER_BLOCK = 0, NUM_REGS = 4, DEVICE_POINTER = 3;  // of cuda.h

struct LaunchConfig {  // how its CUlaunchConfig begins
  unsigned grid[3], block[3], shared_bytes;
  void* stream;
};

}  // namespace

#define SUCCEEDS(name) \
  EXPORT int name(...) { return 0; }
#define CREATES(name) \
  EXPORT int name(void** out) { return new_handle(out); }
#define SETS_STREAM(name) \
  EXPORT int name(void* handle, void* stream) { return static_cast<Handle*>(handle)->stream = stream, 0; }
#define LAUNCHES(kind, name) \
  EXPORT int name(void* handle, ...) { return launched(kind, #name, stream_in(handle)); }

// ---- cuBLAS

CREATES(cublasCreate_v2)
SUCCEEDS(cublasDestroy_v2)
SETS_STREAM(cublasSetStream_v2)
SUCCEEDS(cublasSetWorkspace_v2)
SUCCEEDS(cublasSetMathMode)
SUCCEEDS(cublasSetPointerMode_v2)
EXPORT int cublasGetMathMode(void*, int* mode) { return *mode = 0, 0; }
EXPORT int cublasGetPointerMode_v2(void*, int* mode) { return *mode = 0, 0; }
LAUNCHES("product", cublasSgemm_v2)
LAUNCHES("product", cublasDgemm_v2)
LAUNCHES("product", cublasSgemv_v2)
LAUNCHES("product", cublasGemmEx)
LAUNCHES("product", cublasSgemmStridedBatched)
LAUNCHES("product", cublasDgemmStridedBatched)
LAUNCHES("product", cublasGemmStridedBatchedEx)
LAUNCHES("product", cublasSdot_v2)
LAUNCHES("product", cublasDotEx)

CREATES(cublasLtCreate)
CREATES(cublasLtMatmulDescCreate)
CREATES(cublasLtMatmulPreferenceCreate)
CREATES(cublasLtMatrixLayoutCreate)
SUCCEEDS(cublasLtMatmulDescDestroy)
SUCCEEDS(cublasLtMatmulDescSetAttribute)
SUCCEEDS(cublasLtMatmulPreferenceDestroy)
SUCCEEDS(cublasLtMatmulPreferenceSetAttribute)
SUCCEEDS(cublasLtMatrixLayoutDestroy)
SUCCEEDS(cublasLtMatrixLayoutSetAttribute)
EXPORT int cublasLtMatmulAlgoGetHeuristic(void*, void*, void*, void*, void*, void*, void*, int, void*, int* count) {
  return *count = 1, 0;
}
EXPORT int cublasLtMatmul(void*, void*, const void*, const void*, void*, const void*, void*, const void*, const void*,
                          void*, void*, void*, const void*, void*, size_t, void* stream) {
  return launched("product", "cublasLtMatmul", stream);
}

// ---- cuDNN, but for convolutions

CREATES(cudnnCreate)
SUCCEEDS(cudnnDestroy)
SETS_STREAM(cudnnSetStream)
EXPORT int cudnnGetStream(void* handle, void** stream) { return *stream = stream_in(handle), 0; }
CREATES(cudnnCreateTensorDescriptor)
CREATES(cudnnCreateActivationDescriptor)
CREATES(cudnnCreateSpatialTransformerDescriptor)
SUCCEEDS(cudnnSetTensorNdDescriptor)
SUCCEEDS(cudnnSetActivationDescriptor)
SUCCEEDS(cudnnSetSpatialTransformerNdDescriptor)
SUCCEEDS(cudnnDestroyTensorDescriptor)
SUCCEEDS(cudnnDestroyActivationDescriptor)
SUCCEEDS(cudnnDestroySpatialTransformerDescriptor)
EXPORT int cudnnGetBatchNormalizationForwardTrainingExWorkspaceSize(void*, int, int, void*, void*, void*, void*, void*,
                                                                    size_t* size) {
  return *size = 0, 0;
}
EXPORT int cudnnGetBatchNormalizationBackwardExWorkspaceSize(void*, int, int, void*, void*, void*, void*, void*, void*,
                                                             void*, size_t* size) {
  return *size = 0, 0;
}
EXPORT int cudnnGetBatchNormalizationTrainingExReserveSpaceSize(void*, int, int, void*, void*, size_t* size) {
  return *size = 0, 0;
}
LAUNCHES("normalisation", cudnnBatchNormalizationForwardTrainingEx)
LAUNCHES("normalisation", cudnnBatchNormalizationBackwardEx)
LAUNCHES("normalisation", cudnnBatchNormalizationForwardInference)
LAUNCHES("kernel", cudnnSpatialTfSamplerForward)

// ---- NCCL: sums are what each process has; what is gathered is as if all had the same

namespace {

struct Group {
  int size, rank;
};

size_t bytes_of(int type) {  // ncclDataType_t: int8, uint8, int32, uint32, int64, uint64, float16, 32, 64, bfloat16
  static const size_t SIZES[] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2};
  return SIZES[type];
}

int joined(void** out, int size, int rank) { return *out = new Group{size, rank}, 0; }

struct Identity {
  char bytes[128];
};

}  // namespace

EXPORT int ncclGetUniqueId(Identity* out) { return memset(out, 1, sizeof *out), 0; }
EXPORT int ncclCommInitRank(void** out, int size, Identity, int rank) { return joined(out, size, rank); }
EXPORT int ncclCommInitRankConfig(void** out, int size, Identity, int rank, void*) { return joined(out, size, rank); }
EXPORT int ncclCommInitRankScalable(void** out, int size, int rank, int, void*, void*) {
  return joined(out, size, rank);
}
SUCCEEDS(ncclCommDestroy)
SUCCEEDS(ncclCommAbort)
SUCCEEDS(ncclCommFinalize)
SUCCEEDS(ncclGroupStart)
SUCCEEDS(ncclGroupEnd)
SUCCEEDS(ncclCommDeregister)
EXPORT int ncclCommRegister(void*, void*, size_t, void** out) { return *out = out, 0; }
EXPORT int ncclCommGetAsyncError(void*, int* error) { return *error = 0, 0; }
EXPORT int ncclCommCount(Group* group, int* size) { return *size = group->size, 0; }
EXPORT int ncclCommUserRank(Group* group, int* rank) { return *rank = group->rank, 0; }
EXPORT int ncclAllReduce(const void*, void*, size_t count, int type, int, void*, void* stream) {
  return launched("collective", "sum", stream, count * bytes_of(type));
}
EXPORT int ncclBroadcast(const void*, void*, size_t count, int type, int, void*, void* stream) {
  return launched("collective", "broadcast", stream, count * bytes_of(type));
}
EXPORT int ncclBcast(void*, size_t count, int type, int, void*, void* stream) {
  return launched("collective", "broadcast", stream, count * bytes_of(type));
}
EXPORT int ncclAllGather(const void* own, void* all, size_t count, int type, Group* group, void* stream) {
  size_t bytes = count * bytes_of(type);
  for (int rank = 0; rank < group->size && bytes <= (1 << 16); rank++)
    memmove(static_cast<char*>(all) + rank * bytes, own, bytes);
  return launched("collective", "gather", stream, bytes);
}

// ---- the driver, for torch itself and for Triton's kernels

SUCCEEDS(cuInit)
SUCCEEDS(cuCtxSetCurrent)
SUCCEEDS(cuCtxSetLimit)
SUCCEEDS(cuModuleUnload)
SUCCEEDS(cuFuncSetAttribute)
SUCCEEDS(cuFuncSetCacheConfig)
SUCCEEDS(cuTensorMapEncodeTiled)
EXPORT int cuDriverGetVersion(int* version) { return *version = CUDA_VERSION, 0; }
EXPORT int cuDeviceGet(int* out, int number) { return *out = number, 0; }
EXPORT int cuDeviceGetCount(int* count) { return cudaGetDeviceCount(count); }
EXPORT int cuDeviceGetAttribute(int* value, int attribute, int number) {
  return cudaDeviceGetAttribute(value, cudaDeviceAttr(attribute), number);
}
EXPORT int cuCtxGetCurrent(void** out) { return *out = out, 0; }
EXPORT int cuCtxGetDevice(int* out) { return *out = 0, 0; }
EXPORT int cuCtxGetLimit(size_t* value, int) { return *value = 0, 0; }
EXPORT int cuDevicePrimaryCtxGetState(int, unsigned* flags, int* active) { return *flags = 0, *active = 1, 0; }
EXPORT int cuDevicePrimaryCtxRetain(void** out, int) { return *out = out, 0; }
EXPORT int cuGetErrorString(int, const char** text) { return *text = "an error of the stand-in", 0; }
EXPORT int cuModuleLoad(void** out, const char*) { return new_handle(out); }
EXPORT int cuModuleLoadData(void** out, const void*) { return new_handle(out); }
EXPORT int cuModuleLoadDataEx(void** out, const void*, unsigned, void*, void*) { return new_handle(out); }
EXPORT int cuModuleGetFunction(std::string** out, void*, const char* name) { return *out = new std::string(name), 0; }
EXPORT int cuFuncGetAttribute(int* value, int attribute, void*) {
  return *value = attribute == MAX_THREADS_PER_BLOCK ? 1024 : attribute == NUM_REGS ? 32 : 0, 0;
}
EXPORT int cuOccupancyMaxActiveClusters(int* count, void*, void*) { return *count = 66, 0; }
EXPORT int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* count, void*, int, size_t) { return *count = 2, 0; }
EXPORT int cuPointerGetAttribute(void* value, int attribute, size_t place) {
  if (attribute == DEVICE_POINTER) memcpy(value, &place, sizeof place);
  else memset(value, 0, 4);
  return 0;
}
EXPORT int cuLaunchKernel(std::string* kernel, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                          void* stream, void**, void**) {
  return launched("triton", *kernel, stream);
}
EXPORT int cuLaunchKernelEx(const LaunchConfig* how, std::string* kernel, void**, void**) {
  return launched("triton", *kernel, how->stream);
}
EXPORT int cuLaunchCooperativeKernel(std::string* kernel, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                                     unsigned, void* stream, void**) {
  return launched("triton", *kernel, stream);
}
