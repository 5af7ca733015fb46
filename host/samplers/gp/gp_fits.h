/* Fits of the Gaussian process that were made lately.  Proposals that are made one after another,
 * or side by side, often learn from the same results and differ in what is in flight alone: they
 * share one fit, which is most of a proposal's time.
 *
 * A fit is a function of what it is fitted to, of its settings and of where it computes.  All of
 * that is compared, byte for byte, so that one which is remembered has the bits of one that is made
 * (contract 2); which proposal made it, and whether it is remembered still, shows in the time
 * alone. */
#ifndef GSOS_GP_FITS_H
#define GSOS_GP_FITS_H

#include "host/samplers/gp/gp_fit.h"

struct gp_fits;

int gp_fits_open(struct gp_fits **fits, struct error *e); /* ERROR_MACHINE without memory */
void gp_fits_close(struct gp_fits *fits);                 /* takes NULL; nobody asks any more */

/* gp_fit.  From any thread; where another makes the same fit just now it waits for that one.
 *   fits  NULL: it is made
 *   w     devices of one model only, as gp_devices_open has them; NULL: on the CPU.  What was made
 *         on a workspace that has failed is not remembered. */
int gp_fits_get(struct gp_fits *fits, const struct gp_data *data, enum gp_prior prior, int evaluations,
                struct gp_workspace *w, struct gp_hyper *h, struct error *e);

/* How many have been made. */
int gp_fits_made(struct gp_fits *fits);

#endif
