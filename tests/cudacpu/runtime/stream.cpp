/* CUDA on the CPU: work, streams and events.
 *
 * Everything that is queued is a piece of work that comes after others: the last one of its stream,
 * an event's, on the default stream those of all streams that do not exclude it.  Work is done when
 * the host waits: of all the pieces that nothing holds up any more one is drawn, whichever stream
 * or device it belongs to, until what the host waits for is done.  Whatever order a GPU might take,
 * some seed takes. */
#include "tests/cudacpu/runtime/internal.h"

#include <time.h>

#include <deque>
#include <set>

namespace cudacpu
{

static std::deque<work_ptr> ready;
static std::vector<unsigned> unfinished; /* pieces of each device */
/* Never destroyed: what a program leaves is no leak of memory to LeakSanitizer; a test asks
 * cudacpu_counts. */
static auto &streams = *new std::set<struct CUstream_st *>;
static auto &events = *new std::set<struct CUevent_st *>;
static auto &default_streams = *new std::vector<struct CUstream_st *>;

/* ----------------------------------------------------------------------------------------- work */

work_ptr queue_work(int device, std::function<cudaError_t()> run, const std::vector<work_ptr> &after, bool branch)
{
  work_ptr w = std::make_shared<struct work>();
  w->device = device;
  w->run = std::move(run);
  w->unmet = 0;
  w->branch = branch;
  w->done = false;
  for (const work_ptr &a : after) {
    if (!a || a->done) continue;
    a->dependents.push_back(w);
    w->unmet++;
  }
  if (!w->unmet) ready.push_back(w);
  if (unfinished.size() <= (size_t)device) unfinished.resize((size_t)device + 1);
  unfinished[(size_t)device]++;
  return w;
}

/* Takes the next piece out of those that are ready. */
static work_ptr work_take(void)
{
  std::vector<size_t> wanted;
  for (size_t i = 0; i < ready.size() && branches() != CUDACPU_BRANCHES_DRAWN; i++)
    if (ready[i]->branch == (branches() == CUDACPU_BRANCHES_FIRST)) wanted.push_back(i);
  size_t n = wanted.empty() ? ready.size() : wanted.size(), drawn = streams_in_order() ? 0 : random_number() % n;
  size_t i = wanted.empty() ? drawn : wanted[drawn];
  work_ptr w = ready[i];
  ready.erase(ready.begin() + (ptrdiff_t)i);
  return w;
}

/* Does one piece of work.  There always is one: a piece waits only for earlier ones. */
static void work_once(void)
{
  work_ptr w = work_take();
  if (w->run && !device_error(w->device) && !worked_once(w->device)) {
    cudaError_t e = w->run();
    if (e) device_fails(w->device, e);
  }
  w->run = nullptr;
  w->done = true;
  unfinished[(size_t)w->device]--;
  for (work_ptr &d : w->dependents)
    if (--d->unmet == 0) ready.push_back(d);
  w->dependents.clear();
}

void run_until(const work_ptr &work)
{
  if (!work || work->done) return;
  memory_open();
  while (!work->done) work_once();
  memory_close();
  reports_finish();
}

void run_device(int device)
{
  if (unfinished.size() <= (size_t)device || !unfinished[(size_t)device]) return;
  memory_open();
  while (unfinished[(size_t)device]) work_once();
  memory_close();
  reports_finish();
}

/* -------------------------------------------------------------------------------------- streams */

static struct CUstream_st *default_stream(int device)
{
  while (default_streams.size() <= (size_t)device)
    default_streams.push_back(new CUstream_st{(int)default_streams.size(), true, nullptr, nullptr, {}});
  return default_streams[(size_t)device];
}

cudaError_t stream_find(cudaStream_t stream, struct CUstream_st **found)
{
  int device = current_device();
  if (devices.empty()) return cudaErrorNoDevice;
  *found = stream && stream != cudaStreamLegacy ? stream : default_stream(device);
  if (*found == stream && !streams.count(stream)) return cudaErrorInvalidResourceHandle;
  return cudaSuccess;
}

int stream_device(struct CUstream_st *stream)
{
  return stream->device;
}

std::vector<work_ptr> before(struct CUstream_st *stream)
{
  std::vector<work_ptr> after = {stream->last};
  struct CUstream_st *general = default_stream(stream->device);
  if (stream == general) {
    for (struct CUstream_st *s : streams)
      if (s->blocking && s->device == stream->device) after.push_back(s->last);
  } else if (stream->blocking) {
    after.push_back(general->last);
  }
  return after;
}

cudaError_t enqueue(struct CUstream_st *stream, enum node_kind kind, const void *function,
                    std::function<cudaError_t()> run, bool early)
{
  if (stream->capture) {
    struct capture &c = *stream->capture;
    const std::vector<int> &after = stream->captured;
    if (c.spoilt) return cudaErrorStreamCaptureInvalidated;
    if (early && (after.size() > 1 || (after.size() == 1 && c.nodes[(size_t)after[0]].kind != NODE_KERNEL)))
      return cudaErrorNotSupported;
    c.nodes.push_back({kind, function, std::move(run), after, stream != c.origin, early && !after.empty()});
    stream->captured = {(int)stream->capture->nodes.size() - 1};
    return cudaSuccess;
  }
  if (stream == default_stream(stream->device))
    for (struct CUstream_st *s : streams)
      if (s->capture && s->blocking && s->device == stream->device) {
        s->capture->spoilt = true;
        return cudaErrorStreamCaptureImplicit;
      }
  stream->last = queue_work(stream->device, std::move(run), before(stream));
  return cudaSuccess;
}

static void forget(struct CUstream_st *s)
{
  capture_ends(s);
  delete s;
}

void streams_forget_device(int device)
{
  for (auto s = streams.begin(); s != streams.end();) {
    if ((*s)->device == device) {
      forget(*s);
      s = streams.erase(s);
    } else {
      s++;
    }
  }
  for (auto e = events.begin(); e != events.end();) {
    if ((*e)->device == device) {
      delete *e;
      e = events.erase(e);
    } else {
      e++;
    }
  }
}

size_t streams_count(void)
{
  return streams.size();
}
size_t events_count(void)
{
  return events.size();
}

void streams_forget(void)
{
  for (size_t d = 0; d < devices.size(); d++) streams_forget_device((int)d);
  for (struct CUstream_st *s : default_streams) delete s;
  default_streams.clear();
  graphs_forget();
  ready.clear();
  unfinished.clear();
}

extern "C" cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int priority)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  int device = current_device();
  (void)priority;
  if (cudaError_t e = device_error(device)) return remember(e);
  if (!stream || flags > cudaStreamNonBlocking) return remember(cudaErrorInvalidValue);
  *stream = new CUstream_st{device, flags == cudaStreamDefault, nullptr, nullptr, {}};
  streams.insert(*stream);
  return cudaSuccess;
}
extern "C" cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
  return cudaStreamCreateWithPriority(stream, flags, 0);
}
extern "C" cudaError_t cudaStreamCreate(cudaStream_t *stream)
{
  return cudaStreamCreateWithPriority(stream, cudaStreamDefault, 0);
}

/* Its work is done all the same. */
extern "C" cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  start();
  if (!streams.count(stream)) return remember(cudaErrorInvalidResourceHandle);
  streams.erase(stream);
  forget(stream);
  return cudaSuccess;
}

extern "C" cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  struct CUstream_st *s;
  if (cudaError_t e = stream_find(stream, &s)) return remember(e);
  if (cudaError_t e = device_error(s->device)) return remember(e);
  if (cudaError_t e = no_capture()) return remember(e);
  counts.waits++;
  run_until(s->last);
  return remember(device_error(s->device));
}

/* Each question lets one piece of work be done, of whichever stream. */
extern "C" cudaError_t cudaStreamQuery(cudaStream_t stream)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  struct CUstream_st *s;
  if (cudaError_t e = stream_find(stream, &s)) return remember(e);
  if (cudaError_t e = device_error(s->device)) return remember(e);
  if (cudaError_t e = no_capture()) return remember(e);
  if (!s->last || s->last->done) return cudaSuccess;
  work_once();
  if (cudaError_t e = device_error(s->device)) return remember(e);
  return s->last->done ? cudaSuccess : cudaErrorNotReady;
}

extern "C" cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void *user)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  struct CUstream_st *s;
  if (!function) return remember(cudaErrorInvalidValue);
  if (cudaError_t e = stream_find(stream, &s)) return remember(e);
  if (cudaError_t e = device_error(s->device)) return remember(e);
  return remember(enqueue(s, NODE_HOST, (const void *)function, [=] {
    memory_suspend(true);
    function(user);
    memory_suspend(false);
    return cudaSuccess;
  }));
}

/* --------------------------------------------------------------------------------------- events */

static double now_ms(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static cudaError_t event_check(cudaEvent_t event)
{
  start();
  return events.count(event) ? device_error(event->device) : cudaErrorInvalidResourceHandle;
}

extern "C" cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  int device = current_device();
  if (cudaError_t e = device_error(device)) return remember(e);
  if (!event || flags & ~(cudaEventBlockingSync | cudaEventDisableTiming)) return remember(cudaErrorInvalidValue);
  *event = new CUevent_st{device, !(flags & cudaEventDisableTiming), nullptr, nullptr, nullptr, {}};
  events.insert(*event);
  return cudaSuccess;
}
extern "C" cudaError_t cudaEventCreate(cudaEvent_t *event)
{
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}
extern "C" cudaError_t cudaEventDestroy(cudaEvent_t event)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  start();
  if (!events.count(event)) return remember(cudaErrorInvalidResourceHandle);
  events.erase(event);
  delete event;
  return cudaSuccess;
}

extern "C" cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  struct CUstream_st *s;
  if (cudaError_t e = event_check(event)) return remember(e);
  if (cudaError_t e = stream_find(stream, &s)) return remember(e);
  if (s->device != event->device) return remember(cudaErrorInvalidResourceHandle);
  if (s->capture) {
    event->capture = s->capture;
    event->captured = s->captured;
    return cudaSuccess;
  }
  event->capture = nullptr;
  std::shared_ptr<double> ms = event->ms = std::make_shared<double>(0);
  cudaError_t e = enqueue(s, NODE_HOST, NULL, [=] {
    *ms = now_ms();
    return cudaSuccess;
  });
  event->work = s->last;
  return remember(e);
}

extern "C" cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  struct CUstream_st *s;
  if (flags) return remember(cudaErrorInvalidValue);
  if (cudaError_t e = event_check(event)) return remember(e);
  if (cudaError_t e = stream_find(stream, &s)) return remember(e);
  if (event->capture || s->capture) return remember(capture_join(s, event));
  if (!event->work) return cudaSuccess; /* never recorded */
  std::vector<work_ptr> after = before(s);
  after.push_back(event->work);
  s->last = queue_work(s->device, nullptr, after);
  return cudaSuccess;
}

extern "C" cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  if (cudaError_t e = event_check(event)) return remember(e);
  if (event->capture) return remember(cudaErrorCapturedEvent);
  if (cudaError_t e = no_capture()) return remember(e);
  run_until(event->work);
  return remember(device_error(event->device));
}

extern "C" cudaError_t cudaEventQuery(cudaEvent_t event)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  if (cudaError_t e = event_check(event)) return remember(e);
  if (event->capture) return remember(cudaErrorCapturedEvent);
  if (cudaError_t e = no_capture()) return remember(e);
  if (!event->work || event->work->done) return cudaSuccess;
  work_once();
  if (cudaError_t e = device_error(event->device)) return remember(e);
  return event->work->done ? cudaSuccess : cudaErrorNotReady;
}

extern "C" cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  if (cudaError_t e = event_check(from)) return remember(e);
  if (cudaError_t e = event_check(to)) return remember(e);
  if (!from->timing || !to->timing || !from->work || !to->work) return remember(cudaErrorInvalidResourceHandle);
  if (!from->work->done || !to->work->done) return cudaErrorNotReady;
  *ms = (float)(*to->ms - *from->ms);
  return cudaSuccess;
}

} // namespace cudacpu
