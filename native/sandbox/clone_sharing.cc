// See syscalls.h. In assembly because the child uses the stack first: the return address is not on it while both are in
// here, so that we find ours when it is our turn.
asm(R"(
  .text
  .globl iluvatar_clone_sharing
  .hidden iluvatar_clone_sharing
  .type iluvatar_clone_sharing, %function
iluvatar_clone_sharing:
)"
#if defined(__x86_64__)
    R"(
  .cfi_startproc
  pop %rdx
  mov $435, %eax
  syscall
  push %rdx
  ret
  .cfi_endproc
)"
#elif defined(__aarch64__)
    R"(
  .cfi_startproc
  mov x8, #435
  svc #0
  ret
  .cfi_endproc
)"
#else
#error "clone3 is not written for this architecture"
#endif
    R"(
  .size iluvatar_clone_sharing, . - iluvatar_clone_sharing
)");
