/* SPDX-License-Identifier: BSD-3-Clause */
/* Timers: a pairing heap whose nodes lie in the objects, so arming one cannot fail. */
#include "daemon/core/internal.h"

static struct timer *meld(struct timer *a, struct timer *b)
{
    if (!a || !b)
        return a ? a : b;
    if (b->at < a->at) {
        struct timer *first = b;
        b = a;
        a = first;
    }
    b->previous = a;
    b->next = a->child;
    if (a->child)
        a->child->previous = b;
    a->child = b;
    return a;
}

static struct timer *cut(struct timer *timer)
{
    timer->next = timer->previous = NULL;
    return timer;
}

/* Pairs siblings left to right, then melds the pairs right to left: what keeps removal logarithmic. */
static struct timer *meld_siblings(struct timer *first)
{
    struct timer *pairs = NULL, *root = NULL;

    while (first) {
        struct timer *second = first->next;
        struct timer *rest = second ? second->next : NULL;
        struct timer *pair = meld(cut(first), second ? cut(second) : NULL);
        pair->next = pairs;
        pairs = pair;
        first = rest;
    }
    while (pairs) {
        struct timer *next = pairs->next;
        root = meld(root, cut(pairs));
        pairs = next;
    }
    return root;
}

void timer_disarm(struct core *core, struct timer *timer)
{
    if (!timer->armed)
        return;
    if (timer == core->timers) {
        core->timers = meld_siblings(timer->child);
    } else {
        if (timer->previous->child == timer)
            timer->previous->child = timer->next;
        else
            timer->previous->next = timer->next;
        if (timer->next)
            timer->next->previous = timer->previous;
        core->timers = meld(core->timers, meld_siblings(timer->child));
    }
    timer->child = NULL;
    cut(timer)->armed = false;
}

void timer_arm(struct core *core, struct timer *timer, uint64_t at)
{
    timer_disarm(core, timer);
    timer->at = at;
    timer->armed = true;
    core->timers = meld(core->timers, timer);
}

struct timer *timer_due(struct core *core, uint64_t now)
{
    struct timer *timer = core->timers;

    if (!timer || timer->at > now)
        return NULL;
    timer_disarm(core, timer);
    return timer;
}
