// cuDNN's convolutions, by its graphs: descriptors keep what they are given, every graph has one engine.
#include "stand_in.h"

#include <cudnn_graph.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

using namespace stand_in;

namespace {

struct Descriptor {
  struct Value {
    int64_t count;
    std::vector<char> bytes;
  };
  cudnnBackendDescriptorType_t type;
  std::map<int, Value> values;
  Descriptor* graph = nullptr;  // of an engine or its configuration: what it would compute

  Descriptor* at(int name) {
    auto found = values.find(name);
    Descriptor* out = nullptr;
    if (found != values.end() && found->second.bytes.size() >= sizeof out)
      memcpy(&out, found->second.bytes.data(), sizeof out);
    return out;
  }
};

size_t size_of(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_DOUBLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR: return 8;
    case CUDNN_TYPE_BOOLEAN:
    case CUDNN_TYPE_CHAR: return 1;
    default: return 4;
  }
}

Descriptor* descriptor(cudnnBackendDescriptor_t handle) { return static_cast<Descriptor*>(handle); }

Descriptor* first_of(void* list) {
  Descriptor* out;
  memcpy(&out, list, sizeof out);
  return out;
}

const char* name_of(Descriptor* plan) {
  Descriptor* engine = plan->at(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
  if (engine && !engine->graph) engine = engine->at(CUDNN_ATTR_ENGINECFG_ENGINE);
  Descriptor* graph = !engine ? nullptr : engine->graph ? engine->graph : engine->at(CUDNN_ATTR_ENGINE_OPERATION_GRAPH);
  Descriptor* operation = graph ? graph->at(CUDNN_ATTR_OPERATIONGRAPH_OPS) : nullptr;
  if (!operation) return "unknown";
  switch (operation->type) {
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR: return "forward";
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR: return "gradient of the map";
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR: return "gradient of the weight";
    default: return "another operation";
  }
}

}  // namespace

EXPORT cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t* out) {
  return *out = new Descriptor{type, {}}, CUDNN_STATUS_SUCCESS;
}
EXPORT cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t) {
  return CUDNN_STATUS_SUCCESS;  // others may still point to it
}
EXPORT cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t) { return CUDNN_STATUS_SUCCESS; }
EXPORT cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t handle, cudnnBackendAttributeName_t name,
                                              cudnnBackendAttributeType_t type, int64_t count, const void* values) {
  auto bytes = static_cast<const char*>(values);
  descriptor(handle)->values[name] = {count, {bytes, bytes + count * size_of(type)}};
  return CUDNN_STATUS_SUCCESS;
}
EXPORT cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t handle, cudnnBackendAttributeName_t name,
                                              cudnnBackendAttributeType_t type, int64_t wanted, int64_t* count,
                                              void* values) {
  Descriptor* from = descriptor(handle);
  int64_t there = 1;
  auto found = from->values.find(name);
  if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS || name == CUDNN_ATTR_ENGINECFG_ENGINE) {
    Descriptor* graph = name == CUDNN_ATTR_ENGINECFG_ENGINE ? from->graph : from->at(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
    if (values && wanted > 0 && graph) first_of(values)->graph = graph;
  } else if (found != from->values.end()) {
    there = values ? std::min(wanted, found->second.count) : found->second.count;
    if (values) memcpy(values, found->second.bytes.data(), there * size_of(type));
  } else if (name == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE || name == CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE ||
             name == CUDNN_ATTR_ENGINE_KNOB_INFO || name == CUDNN_ATTR_ENGINECFG_KNOB_CHOICES ||
             name == CUDNN_ATTR_ENGINECFG_INTERMEDIATE_INFO) {
    there = 0;
  } else if (values && wanted > 0) {
    memset(values, 0, wanted * size_of(type));
  }
  if (count) *count = there;
  return CUDNN_STATUS_SUCCESS;
}
EXPORT cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t) {
  int error = launched("convolution", name_of(descriptor(plan)), reinterpret_cast<Handle*>(handle)->stream);
  return error ? CUDNN_STATUS_EXECUTION_FAILED : CUDNN_STATUS_SUCCESS;
}
