/* Objectives: the only thing that `sched/` knows of what a trial is.
 *
 *   cost        of a configuration: feasible, FLOPs, steps, bytes; known before it runs, and cheap
 *               (some microseconds, no memory is taken): ask again rather than carry it
 *   open        a place on a device, with room for `capacity` trials at once (1 on the CPU, a
 *               cohort on a GPU)
 *   add         a trial to a place
 *   advance     until a member ends an epoch; returns events
 *   checkpoint, restore a member
 *   remove      a member; close the place
 *
 * The CNN is one objective; analytic functions, the user's programs and recorded trials are others.
 * A place belongs to the thread that opened it; cost may be called from any thread.
 *
 * A function of struct objective that may be NULL is called through its wrapper, objective_NAME,
 * below.  Beside trials there are networks on disk (predict.h) and the machine
 * (trial_devices.h). */
#ifndef GSOS_OBJECTIVE_H
#define GSOS_OBJECTIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "host/base/class_counts.h"
#include "host/base/error.h"
#include "host/space/space.h"

struct experiment;

struct objective_cost {
  bool feasible;
  char reason[200]; /* why not */
  double flops;     /* of the whole trial; 0: not known */
  int64_t steps, images;
  int epochs;           /* 0: not known before */
  int64_t bytes;        /* host memory while it runs */
  int64_t device_bytes; /* a device's; 0: it runs on the CPU */
  double share;         /* of a place: one is full when the shares of its trials add up to 1; 0: not known */
  double alone_s;       /* seconds that it is reckoned to take alone on a device; 0: not known */
};

struct trial_spec {
  int id;               /* the caller's name for the member in events; unique within a place */
  uint64_t key;         /* the trial's Philox key */
  const double *values; /* [space->n]; copied by add */
  /* Its name to people and programs: trial `number` of `strategy` in a round. */
  const char *strategy; /* outlives the trial */
  int round, number;
};

enum trial_event_kind {
  TRIAL_EPOCH,          /* an epoch ended: value, loss are of this epoch */
  TRIAL_DONE,           /* the last epoch ended: value, loss are the trial's */
  TRIAL_FAILED,         /* the search's failure (diverged ...): reason; the member may be removed */
  TRIAL_MACHINE_FAILED, /* the machine's failure: reason; the trial may run again elsewhere */
};

struct trial_event {
  int id;
  enum trial_event_kind kind;
  int epoch;    /* epochs ended so far, 1 ...; of an end the last one that was reported, 0 where none was */
  int epochs;   /* of the whole trial; 0: not known */
  double value; /* as the objective's direction has it: validation accuracy, or the function's value */
  double loss;  /* validation loss; 0 where there is none */
  double training_loss;
  double seconds; /* the trial's own time since the last event (contract 8) */
  int64_t images; /* images trained since the last event */
  char reason[REASON_MAX];
};

/* The result of a network on the test set, or NaN where the objective has none. */
struct objective_test {
  bool available;
  double value, loss;
  int n, correct;
};

/* How many trials this machine runs at once, and where (objective_at_once). */
struct objective_at_once {
  int places, capacity; /* places, each with room for `capacity` trials */
  int trials;           /* the most that are taken at once: places <= trials <= places * capacity */
  bool by_share;        /* a place is full, too, when the shares of its trials (objective_cost) add up to 1 */
};

/* What a device is asked for. */
struct objective_memory {
  int64_t bytes;      /* of each device: the data set, `trials` of the largest, tables; without the driver's own */
  int64_t data_bytes; /* the data set's part */
  int64_t trial_bytes;
  int trials;
  int64_t available; /* of the device that has the least; 0: not known */
  char remark[160];  /* what is done otherwise on these devices than on most; empty where nothing is */
};

struct place; /* opaque, the objective's own */

struct objective {
  const char *name; /* "cnn", "function", "command", "table" */
  bool maximize;
  const char *value_name; /* "validation accuracy", "value" */
  const char *test_name;  /* the same on the test set: "test accuracy"; NULL without has_test */
  int value_n;            /* the value is a share of so many images; 0: it is none, or that is not known */
  bool has_epochs, has_network, has_test;
  bool has_flops;   /* cost knows the FLOPs of every feasible configuration */
  bool can_measure; /* a piece of a trial can be run, to tell how long the whole takes */
  /* What makes use of this machine: that many places (0: one a core), each filled by `capacity`
   * trials (0: 1), with room for `capacity_max` where the user asks for more (0: 1); the i-th is on
   * device i % n_devices. */
  int places, capacity, capacity_max, n_devices;
  /* cost tells what a trial takes of a place: where the user says nothing of slots a place is
   * filled by that, up to capacity_max; `capacity` are then those of the default configuration. */
  bool by_share;
  const int *device_of_place; /* [places] where it is another, as where hosts differ (sched/boxes); NULL */
  int64_t memory_bytes;       /* of hosts, for all trials that run at once; 0: what this machine has */
  void *state;

  int (*cost)(struct objective *o, const double *values, struct objective_cost *cost, struct error *e);
  /* Memory of the devices: what a run of `at` trials at once will need of each if the trials are at
   * most as large as `largest`; and takes it, once, before a place is opened.  Where there is less,
   * less is taken, and fewer trials run at once; where a device has none, it is left out.
   * ERROR_MACHINE where none has.  NULL where nothing is taken ahead; never where n_devices > 0. */
  void (*memory)(struct objective *o, const struct objective_at_once *at, const double *largest,
                 struct objective_memory *m);
  int (*reserve)(struct objective *o, const struct objective_at_once *at, const double *largest, struct error *e);
  int (*open)(struct objective *o, struct place **p, int device, int capacity, struct error *e);
  /* Keeps memory of the place's device for the trial that is added next (values NULL: for none).
   * False: not beside the trials that are there, but later, or on another device.  From any thread,
   * but not while another call for the place runs.  NULL: always true. */
  bool (*admit)(struct place *p, const double *values);
  /* ERROR_MACHINE: no room, no memory; ERROR_LOST: the device is gone, and with it the place and
   * its members (so all below). */
  int (*add)(struct place *p, const struct trial_spec *spec, struct error *e);
  /* Runs until at least one member ends an epoch.  *n_events <= max.  `stop` is looked at after
   * every training step: where it is set and there is no event to tell, ERROR_INTERRUPTED.  The
   * members then stand between two steps: they may be kept, saved and removed, and advance goes on;
   * those of an objective without checkpoint are lost. */
  int (*advance)(struct place *p, struct trial_event *events, int max, int *n_events, const volatile int *stop,
                 struct error *e);
  /* The state of a member between two steps as a malloc'ed block, whose events up to there have
   * been told; a place of any device, stream and capacity goes on from it with the same bits, and
   * with the time of a trial counted once.  restore is as add: ERROR_FAILED where the block is
   * damaged or another trial's.  NULL where a member's state cannot be kept: it runs again from its
   * start. */
  int (*checkpoint)(struct place *p, int id, void **block, size_t *bytes, struct error *e);
  int (*restore)(struct place *p, const struct trial_spec *spec, const void *block, size_t bytes, struct error *e);
  void (*remove)(struct place *p, int id);
  void (*close)(struct place *p); /* takes NULL */

  /* Writes the network of a member, as it is now, to `path` (safetensors; written aside, synced and
   * renamed into place), and `best.ini`-like configuration beside it where `ini_path` is not NULL,
   * with the random numbers of the experiment's own [train].
   * Where has_network is true. */
  int (*save)(struct place *p, int id, const char *path, const char *ini_path, struct error *e);
  /* Evaluates a saved network on the test set, once (contract 5), and says what it took the images
   * for in the same look: `classes` out, to be freed, also after an error; NULL: that is not
   * wanted. test_picture writes an image of the test set, as class_mistake has it, as a small PNG
   * file. Where has_test is true. */
  int (*test)(struct objective *o, const char *path, struct objective_test *result, struct class_counts *classes,
              const volatile int *stop, struct error *e);
  int (*test_picture)(struct objective *o, int image, const char *path, struct error *e);
  /* What a result depends on beyond the search keys: trainer, precision, device model or
   * instruction set, library versions. */
  void (*description)(struct objective *o, char *text, size_t size);

  /* What a device is called, as "cuda:1": in `name`.  NULL: the CPU. */
  void (*device_name)(struct objective *o, int device, char *name, size_t size);
  /* For people, lines of at most 80 columns that begin with two spaces; NULL where there is nothing
   * to tell.
   *   describe        what all trials share, under the heading `subject`: the data set
   *   describe_left_out  what of it, or beside it, is not used; nothing where all is
   *   describe_trial  a feasible configuration: shapes of its layers, parameters, FLOPs of a step,
   *                   memory */
  const char *subject; /* "Data set", "Program"; NULL with describe */
  void (*describe)(struct objective *o, FILE *out);
  void (*describe_left_out)(struct objective *o, FILE *out);
  void (*describe_trial)(struct objective *o, const double *values, FILE *out);
  /* How long a trial of a feasible configuration takes in a thread of this machine, as busy as it
   * is now: runs a piece of it for about `piece_s` seconds and extends that to the whole.
   * *trial_s: seconds of wall time.  For a thread made for it (it may be left in another
   * floating-point mode); many may measure side by side.  ERROR_INTERRUPTED where `stop` is set.
   * Where can_measure is true. */
  int (*measure)(struct objective *o, const double *values, double piece_s, const volatile int *stop, double *trial_s,
                 struct error *e);
  /* A line on what happened beside the trials since it was created, for the end of a run; "" where
   * there is nothing to tell.  NULL where there never is. */
  void (*summary)(struct objective *o, char *text, size_t size);
  /* Something that a user has to know while trials run, a sentence; false: nothing new.  From any
   * thread, also while places run.  NULL where there never is. */
  bool (*notice)(struct objective *o, char *text, size_t size);
  /* What may have been wrong with a member whose time is up, as "it ..."; "" where nothing is
   * known.  NULL where nothing ever is. */
  void (*overtime)(struct place *p, int id, char *text, size_t size);
  void (*destroy)(struct objective *o);
};

/* The objective that the experiment names ([experiment] objective = cnn | function | command).
 * Opens the data set (progress may be NULL; it is a data_progress, host/data/data_cache.h).
 * ERROR_CONFIG where the space does not fit the objective. */
typedef bool (*objective_progress)(void *context, const char *what, int64_t done, int64_t total);
int objective_create(struct objective **o, const struct experiment *x, objective_progress progress, void *context,
                     struct error *e);
void objective_destroy(struct objective *o); /* takes NULL */
/* Of `useful` trials that could run side by side (at least 1), how many this machine runs at once,
 * and where; the one place where that is decided.
 *   slots   [scheduler] slots, which is never exceeded; 0: auto, as many as fill the objective's
 *           places, by their number or their shares
 *   cores   of this machine: that many places where the objective asks for one a core and slots is
 *           auto */
struct objective_at_once objective_at_once(const struct objective *o, int slots, int cores, int64_t useful);

/* How many trials of that share, each, fill a place with room for `capacity`, as near as can be; a
 * share of 0: as many as it has room for. */
int objective_fill(double share, int capacity);

/* The functions that an objective need not have, and what holds where it has none. */
/* "cpu" */
void objective_device_name(struct objective *o, int device, char *name, size_t size);
/* Nothing of a device is needed: false, and *m is zero. */
bool objective_memory(struct objective *o, const struct objective_at_once *at, const double *largest,
                      struct objective_memory *m);
/* Nothing is taken: 0. */
int objective_reserve(struct objective *o, const struct objective_at_once *at, const double *largest, struct error *e);
/* There is always memory: true. */
bool objective_admit(struct objective *o, struct place *p, const double *values);
/* There is no block: *block is NULL, and 0; none is taken: ERROR_FAILED. */
int objective_checkpoint(struct objective *o, struct place *p, int id, void **block, size_t *bytes, struct error *e);
int objective_restore(struct objective *o, struct place *p, const struct trial_spec *spec, const void *block,
                      size_t bytes, struct error *e);
/* Nothing is printed. */
void objective_describe(struct objective *o, FILE *out);
void objective_describe_trial(struct objective *o, const double *values, FILE *out);
/* There is nothing new: false; "". */
bool objective_notice(struct objective *o, char *text, size_t size);
void objective_overtime(struct objective *o, struct place *p, int id, char *text, size_t size);
/* "" */
void objective_summary(struct objective *o, char *text, size_t size);

/* Constructors, one a file. */
int objective_cnn_create(struct objective **o, const struct experiment *x, objective_progress progress, void *context,
                         struct error *e);
int objective_function_create(struct objective **o, const struct experiment *x, struct error *e);
int objective_command_create(struct objective **o, const struct experiment *x, struct error *e);
int objective_table_create(struct objective **o, const struct experiment *x, struct error *e);

#endif
