/* Convolutions: what the files of their kernels have of each other.
 *
 *   conv2d_first*.cu     the first layer, from bytes; in TF32: conv2d_first_tensor*.cu
 *   conv2d.cu            any shape: tiles of a matrix product
 *   conv2d_patch.cu      forward in FP32 from patches: kernel 3 or 5, stride 1 or 2
 *   conv2d_gradients.cu  gradients in FP32 by the argmax byte: kernel 3 or 5, stride 1 or 2
 *   conv2d_tensor*.cu    forward and gradients in TF32: kernel 3 or 5, stride 1 or 2 */
#ifndef GSOS_CONV2D_H
#define GSOS_CONV2D_H

#include "kernels/step.h"

int conv2d_forward_launch(const struct device_trial *trials, struct device_tiles tiles, int layer,
                          enum precision precision, void *stream);
int conv2d_backward_launch(const struct device_trial *trials, struct device_tiles tiles, int layer,
                           enum precision precision, void *stream);

/* Blocks of the general tiles, whatever else the shape may have. */
int conv2d_tiles_forward(const struct device_trial *t, int layer);
int conv2d_tiles_backward(const struct device_trial *t, int layer);

/* The first layer forward in TF32, where it goes by patches; and its patch, of the shapes. */
int conv2d_first_tensor_launch(const struct device_trial *trials, struct device_tiles tiles, void *stream);
void conv2d_first_tensor_patch(struct device_trial *t);
/* The patch of its gradient in TF32; none where that is in FP32. */
void conv2d_first_gradient_patch(struct device_trial *t);

/* The dynamic shared memory of a block on the present device, of a kernel that takes `most` where
 * there is so much; its pieces have room in it (struct device_conv, `shared`). */
int conv2d_block_bytes(int most);

/* Sets c->forward and c->gradients, from the shapes. */
void conv2d_forward_pieces(struct device_conv *c);
void conv2d_gradient_pieces(struct device_conv *c);
/* Sets c->tensor; after the two. */
void conv2d_tensor_grids(struct device_conv *c);
void conv2d_tensor_weight_grid(struct device_conv *c);

#endif
