/* CUDA on the CPU: capture of streams into graphs, and graphs.
 *
 * While a stream captures, what is queued on it becomes a node of the graph, after the nodes that
 * the stream stands at.  An event takes these along; a stream that waits for it joins the capture.
 * A graph that is launched becomes work like any other, each node after those that it came after,
 * so its order is drawn, too.  The checked build is told which kernels of it nothing orders. */
#include "tests/cudacpu/runtime/internal.h"

#include <algorithm>
#include <set>

struct CUgraph_st {
  int device;
  std::vector<cudacpu::node> nodes;
};
struct CUgraphExec_st {
  int device;
  std::vector<cudacpu::node> nodes;
  std::shared_ptr<const struct cudacpu::node_order> order;
  cudacpu::work_ptr last; /* one launch comes after the other */
};

namespace cudacpu
{

static std::vector<std::shared_ptr<struct capture>> captures;
static std::vector<struct CUstream_st *> capturing;
static auto &graphs = *new std::set<struct CUgraph_st *>; /* as in stream.cpp */
static auto &execs = *new std::set<struct CUgraphExec_st *>;

/* ------------------------------------------------------------------------------------- captures */

/* A capture of the mode ThreadLocal forbids nothing to other threads. */
cudaError_t no_capture(void)
{
  cudaError_t error = cudaSuccess;
  for (auto &c : captures) {
    if (c->mode == cudaStreamCaptureModeRelaxed) continue;
    if (c->mode == cudaStreamCaptureModeThreadLocal && c->thread != std::this_thread::get_id()) continue;
    c->spoilt = true;
    error = cudaErrorStreamCaptureUnsupported;
  }
  return error;
}

static void joins(struct CUstream_st *s, const std::shared_ptr<struct capture> &c)
{
  s->capture = c;
  capturing.push_back(s);
}

static void leaves(struct CUstream_st *s)
{
  s->capture = nullptr;
  s->captured.clear();
  capturing.erase(std::remove(capturing.begin(), capturing.end(), s), capturing.end());
}

static void capture_over(std::shared_ptr<struct capture> c)
{
  for (struct CUstream_st *s : std::vector<struct CUstream_st *>(capturing))
    if (s->capture == c) leaves(s);
  captures.erase(std::remove(captures.begin(), captures.end(), c), captures.end());
}

void capture_ends(struct CUstream_st *s)
{
  if (!s->capture) return;
  std::shared_ptr<struct capture> c = s->capture;
  c->spoilt = true;
  if (c->origin == s)
    capture_over(c);
  else
    leaves(s);
}

cudaError_t capture_join(struct CUstream_st *s, struct CUevent_st *event)
{
  if (s->capture && s->capture->spoilt) return cudaErrorStreamCaptureInvalidated;
  if (!event->capture) { /* work that is not of the capture */
    s->capture->spoilt = true;
    return cudaErrorStreamCaptureIsolation;
  }
  if (std::find(captures.begin(), captures.end(), event->capture) == captures.end()) return cudaErrorCapturedEvent;
  if (s->capture && s->capture != event->capture) {
    s->capture->spoilt = event->capture->spoilt = true;
    return cudaErrorStreamCaptureMerge;
  }
  if (!s->capture) joins(s, event->capture);
  for (int n : event->captured)
    if (std::find(s->captured.begin(), s->captured.end(), n) == s->captured.end()) s->captured.push_back(n);
  return cudaSuccess;
}

extern "C" cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  struct CUstream_st *s;
  if (cudaError_t e = stream_find(stream, &s)) return remember(e);
  if (cudaError_t e = device_error(s->device)) return remember(e);
  if (s != stream) return remember(cudaErrorStreamCaptureUnsupported); /* the default stream */
  if (s->capture || (unsigned)mode > cudaStreamCaptureModeRelaxed) return remember(cudaErrorInvalidValue);
  auto c = std::make_shared<struct capture>();
  c->origin = s;
  c->mode = mode;
  c->thread = std::this_thread::get_id();
  c->spoilt = false;
  captures.push_back(c);
  joins(s, c);
  return cudaSuccess;
}

/* Whether all nodes come before those that the stream stands at. */
static bool all_joined(const struct capture &c, const std::vector<int> &at)
{
  std::vector<bool> reached(c.nodes.size());
  std::vector<int> left = at;
  while (!left.empty()) {
    int n = left.back();
    left.pop_back();
    if (reached[(size_t)n]) continue;
    reached[(size_t)n] = true;
    left.insert(left.end(), c.nodes[(size_t)n].after.begin(), c.nodes[(size_t)n].after.end());
  }
  return std::find(reached.begin(), reached.end(), false) == reached.end();
}

extern "C" cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  struct CUstream_st *s;
  if (!graph) return remember(cudaErrorInvalidValue);
  *graph = NULL;
  if (cudaError_t e = stream_find(stream, &s)) return remember(e);
  if (!s->capture) return remember(cudaErrorInvalidValue);
  std::shared_ptr<struct capture> c = s->capture;
  if (c->origin != s) {
    c->spoilt = true;
    return remember(cudaErrorStreamCaptureUnmatched);
  }
  bool joined = all_joined(*c, s->captured);
  capture_over(c);
  if (c->spoilt) return remember(cudaErrorStreamCaptureInvalidated);
  if (!joined) return remember(cudaErrorStreamCaptureUnjoined);
  *graph = new CUgraph_st{s->device, c->nodes};
  graphs.insert(*graph);
  counts.captures++;
  return cudaSuccess;
}

extern "C" cudaError_t cudaStreamIsCapturing(cudaStream_t stream, enum cudaStreamCaptureStatus *status)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  struct CUstream_st *s;
  if (cudaError_t e = stream_find(stream, &s)) return remember(e);
  *status = !s->capture          ? cudaStreamCaptureStatusNone
            : s->capture->spoilt ? cudaStreamCaptureStatusInvalidated
                                 : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

/* --------------------------------------------------------------------------------------- graphs */

size_t graphs_count(void)
{
  return graphs.size() + execs.size();
}

void graphs_forget(void)
{
  for (struct CUgraph_st *g : graphs) delete g;
  for (struct CUgraphExec_st *e : execs) delete e;
  graphs.clear();
  execs.clear();
}

/* Only the number of nodes; they have no handles here. */
extern "C" cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *nodes, size_t *count)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  if (!graphs.count(graph) || !count) return remember(cudaErrorInvalidValue);
  if (nodes) return remember(cudaErrorNotSupported);
  *count = graph->nodes.size();
  return cudaSuccess;
}

extern "C" cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  if (!graphs.erase(graph)) return remember(cudaErrorInvalidValue);
  delete graph;
  return cudaSuccess;
}

static std::shared_ptr<const struct node_order> order_of(const std::vector<struct node> &nodes)
{
  std::vector<std::vector<bool>> before(nodes.size(), std::vector<bool>(nodes.size())), early = before;
  for (size_t i = 0; i < nodes.size(); i++) {
    for (int a : nodes[i].after) {
      before[i][(size_t)a] = true;
      for (size_t j = 0; j < (size_t)a; j++)
        if (before[(size_t)a][j]) before[i][j] = true;
    }
    early[i] = nodes[i].early ? early[(size_t)nodes[i].after[0]] : before[i];
  }
  return std::make_shared<const struct node_order>(node_order{before, early});
}

extern "C" cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  (void)flags;
  if (!exec || !graphs.count(graph)) return remember(cudaErrorInvalidValue);
  if (cudaError_t e = device_error(graph->device)) return remember(e);
  for (const struct node &n : graph->nodes)
    if (n.early && early_graphs_refused) return remember(cudaErrorNotSupported);
  *exec = new CUgraphExec_st{graph->device, graph->nodes, order_of(graph->nodes), nullptr};
  execs.insert(*exec);
  return cudaSuccess;
}

/* Other arguments, of the same kernels in the same order. */
extern "C" cudaError_t cudaGraphExecUpdate(cudaGraphExec_t exec, cudaGraph_t graph, cudaGraphExecUpdateResultInfo *info)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  if (!execs.count(exec) || !graphs.count(graph) || !info) return remember(cudaErrorInvalidValue);
  *info = {cudaGraphExecUpdateSuccess, NULL, NULL};
  if (exec->nodes.size() != graph->nodes.size()) info->result = cudaGraphExecUpdateErrorTopologyChanged;
  for (size_t i = 0; i < exec->nodes.size() && !info->result; i++) {
    const struct node &a = exec->nodes[i], &b = graph->nodes[i];
    if (a.after != b.after)
      info->result = cudaGraphExecUpdateErrorTopologyChanged;
    else if (a.kind != b.kind)
      info->result = cudaGraphExecUpdateErrorNodeTypeChanged;
    else if (a.function != b.function)
      info->result = cudaGraphExecUpdateErrorFunctionChanged;
  }
  if (info->result) return remember(cudaErrorGraphExecUpdateFailure);
  exec->nodes = graph->nodes;
  return cudaSuccess;
}

/* Launches that are under way keep what they need. */
extern "C" cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  if (!execs.erase(exec)) return remember(cudaErrorInvalidValue);
  delete exec;
  return cudaSuccess;
}

extern "C" cudaError_t cudaGraphUpload(cudaGraphExec_t exec, cudaStream_t stream)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  struct CUstream_st *s;
  if (!execs.count(exec)) return remember(cudaErrorInvalidValue);
  return remember(stream_find(stream, &s));
}

/* Whether some kernel of the graph may run while node i does. */
static bool stands_beside(const struct CUgraphExec_st *exec, size_t i)
{
  const std::vector<std::vector<bool>> &early = exec->order->early;
  for (size_t j = 0; j < exec->nodes.size(); j++)
    if (j != i && exec->nodes[j].kind == NODE_KERNEL && !early[i][j] && !early[j][i]) return true;
  return false;
}

/* What a node does, in view of the checker where there is one. */
static std::function<cudaError_t()> node_work(const struct CUgraphExec_st *exec, size_t i,
                                              const std::shared_ptr<struct graph_run> &run)
{
  std::function<cudaError_t()> work = exec->nodes[i].run;
  if (!checker || exec->nodes[i].kind != NODE_KERNEL || !stands_beside(exec, i)) return work;
  return [work, run, i] {
    checker->node_begins(run.get(), i);
    cudaError_t error = work();
    checker->node_ends();
    return error;
  };
}

extern "C" cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
  std::lock_guard<std::recursive_mutex> lock(mutex);
  struct CUstream_st *s;
  if (!execs.count(exec)) return remember(cudaErrorInvalidValue);
  if (cudaError_t e = stream_find(stream, &s)) return remember(e);
  if (cudaError_t e = device_error(s->device)) return remember(e);
  if (s->capture) {
    s->capture->spoilt = true;
    return remember(cudaErrorNotSupported); /* a graph within a graph */
  }
  if (s->device != exec->device) return remember(cudaErrorInvalidValue);
  std::vector<work_ptr> first = before(s), works;
  first.push_back(exec->last);
  auto run = std::make_shared<struct graph_run>();
  run->order = exec->order;
  for (size_t i = 0; i < exec->nodes.size(); i++) {
    const struct node &n = exec->nodes[i];
    std::vector<work_ptr> after;
    for (int a : n.after) after.push_back(works[(size_t)a]);
    works.push_back(queue_work(s->device, node_work(exec, i, run), n.after.empty() ? first : after, n.branch));
  }
  works.insert(works.end(), first.begin(), first.end());
  s->last = exec->last = queue_work(s->device, nullptr, works);
  counts.graph_launches++;
  return cudaSuccess;
}

} // namespace cudacpu
