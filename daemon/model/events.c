/* SPDX-License-Identifier: BSD-3-Clause */
/* Asynchronous events (NVMe Base 2.0, section 5.2): kept until a request takes them, one kind at a time. */
#include "daemon/model/device.h"
#include "daemon/model/rules.h"

enum {
    EVENT_NOTICE = 2,
    NOTICE_NAMESPACE_ATTRIBUTE = 0,
    LOG_CHANGED_NAMESPACES = 4,
    ENABLED_NAMESPACE_NOTICES = 1 << 8, /* Asynchronous Event Configuration, bit 8 */
};

static void deliver(struct function *function)
{
    while (function->enabled && function->event_count && function->event_request_count) {
        uint32_t event = function->events[0];
        uint16_t cid = function->event_requests[--function->event_request_count];

        if (completion_room(function, 0) == 0) {
            function->event_request_count++;
            return;
        }
        for (unsigned i = 1; i < function->event_count; i++)
            function->events[i - 1] = function->events[i];
        function->event_count--;
        completion_post(function, &function->submission[0], cid, 0, event);
        completion_signal(function, 0);
    }
}

void event_raise(struct function *function, uint8_t type, uint8_t information, uint8_t page)
{
    uint32_t event = type | (uint32_t)information << 8 | (uint32_t)page << 16;

    /* After an event of a type, the next waits until the host has read the log page of the first. */
    if ((function->events_masked >> type & 1 && rule(RULE_EVENT_MASKED)) ||
        function->event_count == FUNCTION_EVENTS_MAX ||
        (function->event_request_count == 0 && !rule(RULE_EVENT_KEPT)))
        return;
    function->events_masked |= (uint8_t)(1u << type);
    function->events[function->event_count++] = event;
    deliver(function);
}

void event_raise_value(struct function *function, uint32_t value)
{
    event_raise(function, value & 7, (uint8_t)(value >> 8), (uint8_t)(value >> 16));
}

void event_request(struct function *function, uint16_t cid)
{
    function->event_requests[function->event_request_count++] = cid;
    deliver(function);
}

void event_page_read(struct function *function, uint8_t page)
{
    if (page == LOG_CHANGED_NAMESPACES && rule(RULE_CHANGED_CLEARED))
        function->changed_count = 0;
    if (!rule(RULE_EVENT_CLEARED))
        return;
    /* Error information is of type 0, health of type 1, notices have their pages. */
    function->events_masked &= (uint8_t) ~(1u << (page == 1 ? 0 : page == 2 ? 1 : EVENT_NOTICE));
}

void event_namespace_changed(struct function *function, uint32_t nsid)
{
    unsigned room = sizeof(function->changed_namespaces) / sizeof(function->changed_namespaces[0]);

    if (!function->open || !function->enabled ||
        (!(function->features[NVME_FEAT_FID_ASYNC_EVENT] & ENABLED_NAMESPACE_NOTICES) &&
         rule(RULE_NOTICE_WANTED)))
        return;
    for (unsigned i = 0; i < function->changed_count; i++) {
        if (function->changed_namespaces[i] == nsid)
            return;
    }
    if (function->changed_count < room)
        function->changed_namespaces[function->changed_count++] = nsid;
    if (rule(RULE_NOTICE))
        event_raise(function, EVENT_NOTICE, NOTICE_NAMESPACE_ATTRIBUTE, LOG_CHANGED_NAMESPACES);
}
