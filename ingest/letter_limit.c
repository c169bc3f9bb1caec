#include "ingest/letter_limit.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"

enum { MINUTE_MS = 60000 };

/* A bucket that holds one minute's letters, counted in letters times MINUTE_MS: whole numbers only.
 */
struct account {
    int64_t filled;
    int64_t last_ms;
    char key[PH_IDENTITY_BYTES];
};

struct ph_letter_limit {
    int64_t per_minute;
    struct ph_map *accounts; /* the one used longest ago first */
};

struct ph_letter_limit *ph_letter_limit_new(int64_t per_minute)
{
    struct ph_letter_limit *limit = calloc(1, sizeof *limit);
    if (limit == NULL || (limit->accounts = ph_map_new()) == NULL) {
        free(limit);
        return NULL;
    }
    limit->per_minute = per_minute;
    return limit;
}

void ph_letter_limit_free(struct ph_letter_limit **limit)
{
    if (*limit != NULL) {
        ph_map_free_values(&(*limit)->accounts, free);
        free(*limit);
        *limit = NULL;
    }
}

void ph_letter_limit_set(struct ph_letter_limit *limit, int64_t per_minute)
{
    limit->per_minute = per_minute;
}

static void forget_one(struct ph_letter_limit *limit)
{
    struct account *oldest = ph_map_oldest(limit->accounts);
    if (oldest != NULL) {
        (void)ph_map_remove(limit->accounts, oldest->key, strlen(oldest->key));
        free(oldest);
    }
}

static struct account *open_account(struct ph_letter_limit *limit, const char *key, int64_t now_ms)
{
    if (ph_map_count(limit->accounts) >= PH_LETTER_LIMIT_DEVICES) {
        forget_one(limit);
    }
    struct account *account = calloc(1, sizeof *account);
    if (account == NULL) {
        return NULL;
    }
    memcpy(account->key, key, strlen(key) + 1);
    account->filled = limit->per_minute * MINUTE_MS;
    account->last_ms = now_ms;
    if (ph_map_put(limit->accounts, key, strlen(key), account) != PH_OK) {
        free(account);
        return NULL;
    }
    return account;
}

static void refill(const struct ph_letter_limit *limit, struct account *account, int64_t now_ms)
{
    int64_t full = limit->per_minute * MINUTE_MS;
    int64_t passed_ms = now_ms - account->last_ms;
    passed_ms = passed_ms < MINUTE_MS ? passed_ms : MINUTE_MS;
    account->filled += passed_ms > 0 ? passed_ms * limit->per_minute : 0;
    account->filled = account->filled < full ? account->filled : full;
    account->last_ms = now_ms;
}

bool ph_letter_limit_pass(
    struct ph_letter_limit *limit, const struct ph_identity *identity, int64_t now_ms)
{
    char key[PH_IDENTITY_BYTES] = "-"; /* no identity is spelt so */
    if (identity != NULL) {
        ph_identity_print(key, sizeof key, identity);
    }
    struct account *account = ph_map_get(limit->accounts, key, strlen(key));
    if (account != NULL && !ph_map_renew(limit->accounts, key, strlen(key))) {
        free(account);
        account = NULL;
    }
    if (account == NULL && (account = open_account(limit, key, now_ms)) == NULL) {
        return true;
    }
    refill(limit, account, now_ms);
    if (account->filled < MINUTE_MS) {
        return false;
    }
    account->filled -= MINUTE_MS;
    return true;
}
