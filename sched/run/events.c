/* Events and those who listen.  See events.h. */
#include "sched/run/events.h"

#include "host/base/monotonic.h"

void events_init(struct events *e)
{
  *e = (struct events){.began = monotonic_seconds()};
  pthread_mutex_init(&e->lock, NULL);
}

void events_destroy(struct events *e)
{
  pthread_mutex_destroy(&e->lock);
}

void events_listen(struct events *e, event_listener listener, void *context)
{
  if (e->n == EVENT_LISTENERS_MAX) return;
  e->listeners[e->n].listener = listener;
  e->listeners[e->n++].context = context;
}

double events_now(const struct events *e)
{
  return monotonic_seconds() - e->began;
}

void events_emit(struct events *e, struct event event)
{
  if (!e) return;
  pthread_mutex_lock(&e->lock);
  event.time_s = events_now(e);
  for (int i = 0; i < e->n; i++) e->listeners[i].listener(e->listeners[i].context, &event);
  pthread_mutex_unlock(&e->lock);
}

const char *event_state_name(enum stored_state state)
{
  return state == STORED_COMPLETE ? "complete" : state == STORED_PRUNED ? "pruned" : "failed";
}
