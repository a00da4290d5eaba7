// What a supervisor does once the agent runs.
#ifndef ILUVATAR_SANDBOX_SUPERVISOR_LOOP_H_
#define ILUVATAR_SANDBOX_SUPERVISOR_LOOP_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "sandbox/agent_process.h"
#include "sandbox/cell.h"
#include "sandbox/wire.h"
#include "system/unique_fd.h"

namespace iluvatar::sandbox {

class SupervisorLoop {
 public:
  SupervisorLoop(const Cell& cell, int control, Agent agent, system::UniqueFd child_signals);

  // Ends in _exit.
  [[noreturn]] void Run();

 private:
  struct Stream {
    system::UniqueFd pipe;
    uint32_t number;
    // Bytes were dropped since the last LOG.
    bool cut = false;
  };

  void ReadControl();
  void Assign(const Frame& frame);
  void Cancel(uint32_t grace_ms);
  // One read; false when nothing (more) came.
  bool ReadOutput(Stream* stream);
  void ReapChildren();
  [[noreturn]] void AgentEnded(int status);
  [[noreturn]] void Fail(const Step& step);
  [[noreturn]] void End();
  void KillOthers();
  // Never blocks; what the socket does not take waits.
  void Queue(std::string_view bytes);
  void Flush();
  // Sends what waits, and `bytes`, waiting for the worker a bounded time.
  void SendLast(std::string_view bytes);
  void ForwardAssign();
  int PollTimeout() const;

  const Cell& cell_;
  const int control_;
  const pid_t agent_;
  system::UniqueFd child_signals_;
  Stream streams_[2];
  system::UniqueFd assign_pipe_;
  std::string assign_bytes_;
  std::string outgoing_;
  std::string buffer_;
  bool assigned_ = false;
  // The worker's HELLO has been read.
  bool heard_ = false;
  // Monotonic ms; 0 = no kill is due.
  int64_t kill_at_ = 0;
};

}  // namespace iluvatar::sandbox

#endif  // ILUVATAR_SANDBOX_SUPERVISOR_LOOP_H_
