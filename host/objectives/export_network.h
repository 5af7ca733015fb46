/* A saved network for other programs: all that `gsos export` knows of a network. */
#ifndef GSOS_EXPORT_NETWORK_H
#define GSOS_EXPORT_NETWORK_H

#include "host/base/error.h"

/* Reads the network in a safetensors file, and writes it as ONNX, as a module for PyTorch, or both
 * (host/network/export.h); onnx, torch: where to, NULL: not.  ERROR_FAILED where the network's file
 * is none or a file cannot be written, ERROR_MACHINE. */
int export_network(const char *network, const char *onnx, const char *torch, struct error *e);

#endif
