/* How much an image counts in the loss that a network is trained with, by its class ([model]
 * class_weights).
 *
 * balanced: n / (classes · n_c), of the n images of the training split, n_c of them of that class,
 * and the classes that have any: scikit-learn's "balanced".  Their mean over the training images is
 * 1, so that a learning rate means what it does without them.  A batch's loss is the sum of weight
 * · cross-entropy, divided by the images of the batch, as Keras has it (class_weight): an image
 * counts the same whichever batch it is in, and the gradients of an epoch's batches have the
 * gradient of the whole split as their mean.  PyTorch's CrossEntropyLoss(weight) divides by the sum
 * of the batch's weights instead, which lets a rare image count the less the more of its kind are
 * beside it.  Validation and test are never weighted. */
#ifndef GSOS_CLASS_WEIGHTS_H
#define GSOS_CLASS_WEIGHTS_H

#include "host/base/error.h"
#include "host/data/dataset.h"

/* The weights of a training split's classes: weights [classes] out; 0 of a class that it has no
 * image of, which nothing asks for.  ERROR_MACHINE without memory. */
int class_weights_balanced(const struct dataset_split *train, int classes, float *weights, struct error *e);

#endif
