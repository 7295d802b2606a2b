/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/datapath/step.h"

#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* I/Os that are stepped through: two laps of one ring, so that the work at its end is counted in. */
#define STEP_IOS (2u * BENCH_ENTRIES)

/* The bounds of the device's code, from the linker. */
extern const char __start_bench_device[], __stop_bench_device[];

__attribute__((noinline)) static void reached_end(void)
{
    __asm__ volatile("" ::: "memory");
}

static uint64_t turns_of(const struct bench_case *now)
{
    return STEP_IOS / now->batch;
}

static _Noreturn void child(struct bench *bench, const struct bench_case *now,
                            const struct bench_driver *driver)
{
    uint64_t turns = turns_of(now);

    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0 || !bench_start(bench, now, driver))
        _exit(1);
    /* Branches and pages that are new to the process change no count, but the lazy binding of calls does. */
    driver->run(bench, now->queues);
    raise(SIGSTOP);
    driver->run(bench, turns);
    reached_end();
    _exit(0);
}

#if defined(__x86_64__)
static uintptr_t program_counter(pid_t pid)
{
    return (uintptr_t)ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user_regs_struct, rip), NULL);
}
#else
#include <elf.h>
#include <sys/uio.h>

static uintptr_t program_counter(pid_t pid)
{
    struct user_regs_struct registers = {0};
    struct iovec place = {&registers, sizeof(registers)};

    return ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &place) == 0 ? (uintptr_t)registers.pc : 0;
}
#endif

/* Steps the stopped child to the end of the driver's run. Returns the instructions outside the device, 0 on
 * failure. */
static uint64_t count(pid_t pid)
{
    uintptr_t end = (uintptr_t)reached_end, first = (uintptr_t)__start_bench_device,
              last = (uintptr_t)__stop_bench_device;
    uint64_t instructions = 0;

    for (;;) {
        uintptr_t pc;
        int status;

        if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0 || waitpid(pid, &status, 0) != pid ||
            !WIFSTOPPED(status))
            return 0;
        pc = program_counter(pid);
        if (pc == end)
            return instructions;
        if (pc < first || pc >= last)
            instructions++;
    }
}

/* The two take turns at every instruction, and waking one another on another CPU would cost most of the time.
 */
static void stay_on_this_cpu(void)
{
    cpu_set_t cpus;
    int cpu = sched_getcpu();

    CPU_ZERO(&cpus);
    if (cpu >= 0) {
        CPU_SET((size_t)cpu, &cpus);
        sched_setaffinity(0, sizeof(cpus), &cpus);
    }
}

double bench_instructions(struct bench *bench, const struct bench_case *now,
                          const struct bench_driver *driver)
{
    uint64_t instructions = 0;
    int status;
    pid_t pid;

    stay_on_this_cpu();
    pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0)
        child(bench, now, driver);
    if (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP) {
        instructions = count(pid);
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
    }
    return instructions != 0 ? (double)instructions / (double)(turns_of(now) * now->batch) : -1;
}
