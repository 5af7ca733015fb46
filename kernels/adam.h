/* Adam's constants, for both trainers: what Kingma and Ba found good ("Adam: a method for
 * stochastic optimization", ICLR 2015, algorithm 1), and what PyTorch and Keras take unless told
 * otherwise.  Rounded to a float they are the nearest floats. */
#ifndef GSOS_ADAM_H
#define GSOS_ADAM_H

#define ADAM_BETA1 0.9
#define ADAM_BETA2 0.999
#define ADAM_EPSILON 1e-8

#endif
