/* SPDX-License-Identifier: BSD-3-Clause */
/* After a reset of an SSD: waiting for homid to bring the functions up again, and making the queue pairs
 * anew.
 */
#include <errno.h>

#include "lib/members.h"
#include "lib/queue_pair.h"

#define PAIRS_MAX 65536 /* in a reply */

/* Whether homid's list of queue pairs has this one; -EPROTO when the list makes no sense. */
static int is_there(json_object *array, const struct homi_queue_pair *pair)
{
    for (size_t i = 0; i < json_object_array_length(array); i++) {
        json_object *entry = json_object_array_get_idx(array, i);
        const char *function;
        int64_t id;

        if (!json_object_is_type(entry, json_type_object) ||
            member_string(entry, "virtualFunction", LEASE_NAME_MAX, &function) < 0 ||
            member_int(entry, "queuePair", 1, UINT16_MAX, &id) < 0)
            return -EPROTO;
        if (queue_pair_is(pair, function, id))
            return 1;
    }
    return 0;
}

static int renew_missing(struct homi_lease *lease, json_object *array, queue_pair_lost lost, void *user)
{
    for (struct homi_queue_pair *pair = lease->pairs; pair; pair = queue_pair_next(pair)) {
        int r = is_there(array, pair);

        if (r < 0)
            return client_breach(lease->homi);
        if (r == 0 && (r = queue_pair_renew(pair, lost, user)) != 0)
            return r;
    }
    return 0;
}

int homi_recover(struct homi_lease *lease,
                 void (*lost)(void *user, struct homi_queue_pair *pair, uint64_t cookie), void *user)
{
    json_object *parameters = lease_request(lease), *array;
    struct varlink_message reply;
    int r;

    if (!parameters)
        return -ENOMEM;
    r = client_call(lease->homi, "io.homi.Tenant.Recover", parameters, NULL, 0, 0, &reply);
    json_object_put(parameters);
    if (r != 0)
        return r;
    if (member_array(reply.parameters, "queuePairs", PAIRS_MAX, &array) < 0)
        r = client_breach(lease->homi);
    else
        r = renew_missing(lease, array, lost, user);
    varlink_message_clear(&reply);
    return r;
}
