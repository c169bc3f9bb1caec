/* Which messages should reach whom, and which did. Each subscription is an account: of a subscriber
 * alone, or of all that share one ("$share/group/filter"), for these get every message once among
 * them. An account has a page for each publisher whose topic its filter matches. */
#ifndef PH_FLEET_LOAD_ACCOUNT_H
#define PH_FLEET_LOAD_ACCOUNT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct ph_load_account;

enum ph_load_receipt {
    PH_LOAD_FRESH,     /* the first time */
    PH_LOAD_DUPLICATE, /* again */
    PH_LOAD_STRAY,     /* the filter does not match that publisher's topic, or there is none such */
};

/* Topics of the publishers and filters of the subscribers, in order of number. Costs one bit of
 * memory for each message received. */
enum ph_err ph_load_account_new(const char *const *topics, size_t publishers,
    const char *const *filters, size_t subscribers, struct ph_load_account **out,
    struct ph_error *error) PH_NODISCARD;
void ph_load_account_free(struct ph_load_account **account);

/* How often each message of that publisher is to arrive. */
int64_t ph_load_account_receivers(const struct ph_load_account *account, size_t publisher);

/* Notes an arrival; any thread may. PH_ERR_MEMORY when it could not be noted. */
enum ph_err ph_load_account_receive(struct ph_load_account *account, size_t subscriber,
    size_t publisher, int64_t seq, enum ph_load_receipt *receipt) PH_NODISCARD;

#endif
