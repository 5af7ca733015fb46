/* Jobs in lock step.  See lockstep.h. */
#include "host/samplers/gp/lockstep.h"

#include <pthread.h>
#include <stdbool.h>

struct lockstep {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int running; /* jobs that neither wait nor have ended */
  bool waits[LOCKSTEP_MAX];
  void (*job)(void *context, struct lockstep *l, int number);
  void *context;
};

struct lockstep_member {
  struct lockstep *l;
  int number;
  pthread_t thread;
};

static void *job_thread(void *argument)
{
  const struct lockstep_member *m = argument;
  struct lockstep *l = m->l;
  l->job(l->context, l, m->number);
  pthread_mutex_lock(&l->lock);
  l->running--;
  pthread_cond_broadcast(&l->changed);
  pthread_mutex_unlock(&l->lock);
  return NULL;
}

void lockstep_wait(struct lockstep *l, int number)
{
  pthread_mutex_lock(&l->lock);
  l->waits[number] = true;
  l->running--;
  pthread_cond_broadcast(&l->changed);
  while (l->waits[number]) pthread_cond_wait(&l->changed, &l->lock);
  pthread_mutex_unlock(&l->lock);
}

/* Waits until no job runs; those that wait, in order. */
static int gather(struct lockstep *l, int jobs, int *numbers)
{
  int n = 0;
  pthread_mutex_lock(&l->lock);
  while (l->running > 0) pthread_cond_wait(&l->changed, &l->lock);
  for (int i = 0; i < jobs; i++)
    if (l->waits[i]) numbers[n++] = i;
  pthread_mutex_unlock(&l->lock);
  return n;
}

static void release(struct lockstep *l, int n, const int *numbers)
{
  pthread_mutex_lock(&l->lock);
  for (int i = 0; i < n; i++) l->waits[numbers[i]] = false;
  l->running += n;
  pthread_cond_broadcast(&l->changed);
  pthread_mutex_unlock(&l->lock);
}

int lockstep_run(int jobs, void (*job)(void *context, struct lockstep *l, int number),
                 void (*answer)(void *context, int n, const int *numbers), void *context, struct error *e)
{
  struct lockstep l = {.running = jobs, .job = job, .context = context};
  struct lockstep_member members[LOCKSTEP_MAX];
  int numbers[LOCKSTEP_MAX], started = 0, n;
  pthread_mutex_init(&l.lock, NULL);
  pthread_cond_init(&l.changed, NULL);
  for (; started < jobs; started++) {
    members[started] = (struct lockstep_member){.l = &l, .number = started};
    if (pthread_create(&members[started].thread, NULL, job_thread, &members[started]) != 0) break;
  }
  if (started < jobs) {
    pthread_mutex_lock(&l.lock);
    l.running -= jobs - started;
    pthread_mutex_unlock(&l.lock);
  }
  while ((n = gather(&l, jobs, numbers)) > 0) {
    answer(context, n, numbers);
    release(&l, n, numbers);
  }
  for (int i = 0; i < started; i++) pthread_join(members[i].thread, NULL);
  pthread_cond_destroy(&l.changed);
  pthread_mutex_destroy(&l.lock);
  return started == jobs ? 0 : error_set(e, ERROR_MACHINE, "no thread can be started for a fit side by side");
}
