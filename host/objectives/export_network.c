/* A saved network for other programs.  See export_network.h. */
#include "host/objectives/export_network.h"

#include "host/network/export.h"

int export_network(const char *network, const char *onnx, const char *torch, struct error *e)
{
  struct network_file n;
  struct safetensors_file tensors;
  int code = network_file_open(&n, &tensors, network, e);
  if (code) return code;
  if (onnx) code = export_onnx(onnx, &n, &tensors, e);
  if (torch && !code) code = export_torch(torch, &n, network, e);
  network_file_close(&n);
  safetensors_close(&tensors);
  return code;
}
