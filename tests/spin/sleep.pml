/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the reader of doorbells (the relay, and the software SSD's poller) goes to sleep: daemon/relay/worker.c
 * and homi_queue_ring() in lib/include/homi/queue.h. Two tenants, each on a CPU of its own, and the relay on a
 * third, with the store buffers of x86-TSO: a store goes into its CPU's buffer, and from there to memory at any
 * later time, in order; a load sees memory at once. (No CPU here loads what it stores itself, so that a load
 * would have to look into its own buffer first.) There is no backstop: nothing but the protocol wakes the relay.
 *
 * A tenant has one command in flight at most, and its completion queue has room for one entry that the
 * controller knows to be free: the tightest ring there is. It reaps, stores how far (the head: a doorbell that
 * wakes nobody), and only then rings for the next command (the tail). The controller posts a completion when
 * the forwarded head leaves it room.
 *
 * Checked: when nothing can move any more, the relay sleeps with every tail forwarded and every command
 * completed, although heads wake nobody (the assertion), and with fair CPUs every tail is forwarded in the end
 * (the formula).
 *
 * One of these leaves out what the protocol rests on, and must be found wrong:
 *   -DWITHOUT_LOOK        no look after the barrier
 *   -DWITHOUT_MEMBARRIER  no barrier at all
 *   -DFENCE_ALONE         a barrier on the relay's CPU only
 *   -DWORD_AFTER_LOOK     the wake word is set after the look
 *   -DWAKE_BEFORE_STORE   the tenant looks at the word before it stores its doorbell
 *   -DTAIL_BEFORE_HEAD    the tenant rings for the next command before it says that it reaped the last one
 */
#define TENANTS 2
#ifndef RINGS
#define RINGS 2 /* doorbells of each tenant */
#endif

byte doorbell[TENANTS], head[TENANTS], asleep[TENANTS]; /* memory */
byte forwarded[TENANTS], room[TENANTS];                  /* tails and heads, as the controller has them */
byte posted[TENANTS];                                    /* completions; they reach memory at once */
bool event;                              /* the eventfd is readable; the kernel orders it */

#define DOORBELL 0
#define ASLEEP   1
#define HEAD     2

/* One store buffer for each tenant's CPU and one for the relay's: which word of which tenant, and its value. */
chan buffer[TENANTS + 1] = [2] of { byte, byte, byte };
#define RELAY TENANTS

inline reach_memory(word, tenant, value) {
    if
    :: word == DOORBELL -> doorbell[tenant] = value
    :: word == ASLEEP -> asleep[tenant] = value
    :: word == HEAD -> head[tenant] = value
    fi
}

/* Commands are done in order. One entry may be posted that the controller has not seen reaped. */
proctype controller(byte tenant) {
end:
    do
    :: atomic { posted[tenant] < forwarded[tenant] && posted[tenant] == room[tenant] -> posted[tenant]++ }
    od
}

/* The CPU writes its oldest store back, at a time of its own. */
proctype write_back(byte cpu) {
    byte word, tenant, value;
end:
    do
    :: atomic { buffer[cpu]?word,tenant,value -> reach_memory(word, tenant, value) }
    od
}

/* A barrier on a CPU: what it holds back goes to memory first. */
inline barrier(cpu) {
    atomic {
        do
        :: nempty(buffer[cpu]) -> buffer[cpu]?word,other,value; reach_memory(word, other, value)
        :: empty(buffer[cpu]) -> break
        od
    }
}

proctype tenant(byte me) {
    byte ring = 1, seen;

    do
    :: ring <= RINGS ->
#ifdef WAKE_BEFORE_STORE
        seen = asleep[me];
        buffer[me]!DOORBELL,me,ring;
#else
        buffer[me]!DOORBELL,me,ring;
        seen = asleep[me];
#endif
        if
        :: seen -> event = true
        :: else
        fi;
#ifdef TAIL_BEFORE_HEAD
        if
        :: ring > 1 -> buffer[me]!HEAD,me,ring - 1
        :: else
        fi;
        posted[me] == ring;
#else
        posted[me] == ring;
        buffer[me]!HEAD,me,ring;
#endif
        ring++
    :: else -> break
    od
}

#define NEW(tenant) (doorbell[tenant] != forwarded[tenant])

inline look() {
    found = false;
    cpu = 0;
    do
    :: cpu < TENANTS ->
        value = head[cpu];
        if
        :: value != room[cpu] -> room[cpu] = value; found = true
        :: else
        fi;
        value = doorbell[cpu];
        if
        :: value != forwarded[cpu] -> forwarded[cpu] = value; found = true
        :: else
        fi;
        cpu++
    :: else -> break
    od
}

inline say_asleep(yes) {
    cpu = 0;
    do
    :: cpu < TENANTS -> buffer[RELAY]!ASLEEP,cpu,yes; cpu++
    :: else -> break
    od
}

/* As the kernel does it: a barrier here at entry, then one on every other CPU in turn. */
inline membarrier() {
    barrier(RELAY);
    cpu = 0;
    do
    :: cpu < TENANTS -> barrier(cpu); cpu++
    :: else -> break
    od
}

proctype relay() {
    byte cpu, word, other, value;
    bool found;

awake:
    do
    :: look()
    :: break /* it found nothing for a while */
    od;
#ifdef WORD_AFTER_LOOK
    membarrier();
    look();
    say_asleep(1);
#else
    say_asleep(1);
#if defined(FENCE_ALONE)
    barrier(RELAY);
#elif !defined(WITHOUT_MEMBARRIER)
    membarrier();
#endif
    found = false;
#ifndef WITHOUT_LOOK
    look();
#endif
#endif
    if
    :: found -> say_asleep(0); goto awake
    :: else
    fi;
end_asleep:
    if
    :: event -> event = false; say_asleep(0); goto awake
    :: timeout ->
        /* Nothing else can move: what was rung before must have come through. */
        assert(!NEW(0) && !NEW(1) && forwarded[0] == RINGS && forwarded[1] == RINGS);
        assert(posted[0] == RINGS && posted[1] == RINGS)
    fi
}

init {
    atomic {
        run tenant(0);
        run tenant(1);
        run relay();
        run controller(0);
        run controller(1);
        run write_back(0);
        run write_back(1);
        run write_back(RELAY)
    }
}

#ifdef LIVENESS
ltl delivered { <> (forwarded[0] == RINGS && forwarded[1] == RINGS) }
#endif
