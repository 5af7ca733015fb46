/* A network for other programs: an ONNX file, or a module for PyTorch.
 *
 * Both take images as gsos reads them, [N][H][W][C] numbers from 0 to 255, and do the rest
 * themselves: (x / 255 - mean) / deviation, channels first, then the network of
 * docs/contracts.md, "The network, exactly". */
#ifndef GSOS_EXPORT_H
#define GSOS_EXPORT_H

#include "host/base/error.h"
#include "host/network/network_file.h"
#include "host/network/safetensors.h"

/* Writes ONNX, whole or not at all (file_replace.h): version 7 of the format, operators of version
 * 13.
 *   images         in: bytes [N][H][W][C], N free
 *   probabilities  out: floats [N][classes]
 *   logits         out: the same before the softmax
 * The metadata are those of the network's file, class_names among them.  ERROR_FAILED where it
 * would have more than the 2 GiB that such a file can have. */
int export_onnx(const char *path, const struct network_file *n, const struct safetensors_file *tensors,
                struct error *e);

/* Writes a Python module, whole or not at all: class Network, and load(), which reads the weights
 * from the network's own file, with Python's safetensors.
 *   weights   the network's file: looked for beside the module where it lies there now, else where
 *             it is */
int export_torch(const char *path, const struct network_file *n, const char *weights, struct error *e);

#endif
