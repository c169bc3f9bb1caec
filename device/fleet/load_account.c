#include "device/fleet/load_account.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "format/topic.h"

enum { CHUNK_BITS = 4096 };

#define SEQ_MAX (INT64_C(1) << 32) /* bounds what a forged number can cost */

/* Which messages of one publisher came. */
struct page {
    uint32_t publisher;
    uint32_t chunk_count;
    uint64_t **chunks; /* NULL where nothing came */
};

struct group {
    const char *filter; /* borrowed while the account is made */
    pthread_mutex_t lock;
    struct page *pages; /* in order of publisher */
    size_t page_count;
    size_t page_size;
};

struct ph_load_account {
    struct group *groups;
    size_t group_count;
    size_t *group_of; /* of each subscriber */
    size_t subscribers;
    int64_t *receivers; /* of each publisher */
    size_t publishers;
};

struct topic {
    const char *name;
    uint32_t publisher;
};

static int compare_topics(const void *a, const void *b)
{
    const struct topic *left = a;
    const struct topic *right = b;
    const int order = strcmp(left->name, right->name);
    return order != 0 ? order
                      : (left->publisher > right->publisher) - (left->publisher < right->publisher);
}

static int compare_pages(const void *a, const void *b)
{
    const struct page *left = a;
    const struct page *right = b;
    return (left->publisher > right->publisher) - (left->publisher < right->publisher);
}

static bool add_page(struct group *group, uint32_t publisher)
{
    if (group->page_count == group->page_size) {
        const size_t size = group->page_size == 0 ? 4 : group->page_size * 2;
        struct page *pages = reallocarray(group->pages, size, sizeof *pages);
        if (pages == NULL) {
            return false;
        }
        group->pages = pages;
        group->page_size = size;
    }
    group->pages[group->page_count++] = (struct page){.publisher = publisher};
    return true;
}

/* The first of the ordered topics that is not before `name`. */
static size_t lower_bound(const struct topic *topics, size_t count, const char *name)
{
    size_t low = 0;
    while (count > 0) {
        const size_t half = count / 2;
        if (strcmp(topics[low + half].name, name) < 0) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return low;
}

/* A filter without wildcards is searched for: with one for each of many publishers, matching each
 * with each would take long. */
static bool fill_group(struct group *group, const struct topic *topics, size_t count)
{
    const char *filter = ph_topic_unshare(group->filter);
    const bool plain = strpbrk(filter, "+#") == NULL;
    bool ok = true;
    for (size_t i = plain ? lower_bound(topics, count, filter) : 0; i < count && ok; i++) {
        if (plain && strcmp(topics[i].name, filter) != 0) {
            break;
        }
        if (plain || ph_topic_match(filter, topics[i].name)) {
            ok = add_page(group, topics[i].publisher);
        }
    }
    if (group->page_count > 1) {
        qsort(group->pages, group->page_count, sizeof *group->pages, compare_pages);
    }
    return ok;
}

/* Those who share a filter have one account. */
static size_t find_group(struct ph_load_account *account, const char *filter)
{
    if (strncmp(filter, "$share/", 7) == 0) {
        for (size_t i = 0; i < account->group_count; i++) {
            if (strcmp(account->groups[i].filter, filter) == 0) {
                return i;
            }
        }
    }
    struct group *group = &account->groups[account->group_count];
    group->filter = filter;
    (void)pthread_mutex_init(&group->lock, NULL);
    return account->group_count++;
}

static void count_receivers(struct ph_load_account *account)
{
    for (size_t i = 0; i < account->group_count; i++) {
        const struct group *group = &account->groups[i];
        for (size_t k = 0; k < group->page_count; k++) {
            account->receivers[group->pages[k].publisher]++;
        }
    }
}

static bool fill(
    struct ph_load_account *account, const char *const *topics, const char *const *filters)
{
    const size_t count = account->publishers;
    struct topic *sorted = calloc(count + 1, sizeof *sorted);
    account->groups = calloc(account->subscribers + 1, sizeof *account->groups);
    account->group_of = calloc(account->subscribers + 1, sizeof *account->group_of);
    account->receivers = calloc(count + 1, sizeof *account->receivers);
    bool ok = sorted != NULL && account->groups != NULL && account->group_of != NULL &&
              account->receivers != NULL;
    for (size_t i = 0; i < count && ok; i++) {
        sorted[i] = (struct topic){.name = topics[i], .publisher = (uint32_t)i};
    }
    if (ok) {
        qsort(sorted, count, sizeof *sorted, compare_topics);
    }
    for (size_t i = 0; i < account->subscribers && ok; i++) {
        account->group_of[i] = find_group(account, filters[i]);
    }
    for (size_t i = 0; i < account->group_count && ok; i++) {
        ok = fill_group(&account->groups[i], sorted, count);
    }
    if (ok) {
        count_receivers(account);
    }
    free(sorted);
    return ok;
}

enum ph_err ph_load_account_new(const char *const *topics, size_t publishers,
    const char *const *filters, size_t subscribers, struct ph_load_account **out,
    struct ph_error *error)
{
    struct ph_load_account *account = calloc(1, sizeof *account);
    if (account != NULL) {
        account->publishers = publishers;
        account->subscribers = subscribers;
    }
    if (account == NULL || !fill(account, topics, filters)) {
        ph_load_account_free(&account);
        return ph_error_set(error, PH_ERR_MEMORY, "subscriptions: no memory");
    }
    *out = account;
    return PH_OK;
}

static void free_group(struct group *group)
{
    for (size_t i = 0; i < group->page_count; i++) {
        for (size_t k = 0; k < group->pages[i].chunk_count; k++) {
            free(group->pages[i].chunks[k]);
        }
        free(group->pages[i].chunks);
    }
    free(group->pages);
    (void)pthread_mutex_destroy(&group->lock);
}

void ph_load_account_free(struct ph_load_account **account)
{
    if (account == NULL || *account == NULL) {
        return;
    }
    for (size_t i = 0; i < (*account)->group_count; i++) {
        free_group(&(*account)->groups[i]);
    }
    free((*account)->groups);
    free((*account)->group_of);
    free((*account)->receivers);
    free(*account);
    *account = NULL;
}

int64_t ph_load_account_receivers(const struct ph_load_account *account, size_t publisher)
{
    return account->receivers[publisher];
}

static bool make_room(struct page *page, size_t chunk)
{
    if (chunk >= page->chunk_count) {
        const size_t count = chunk + 1 + chunk / 2;
        uint64_t **chunks = reallocarray(page->chunks, count, sizeof *chunks);
        if (chunks == NULL) {
            return false;
        }
        memset(chunks + page->chunk_count, 0, (count - page->chunk_count) * sizeof *chunks);
        page->chunks = chunks;
        page->chunk_count = (uint32_t)count;
    }
    if (page->chunks[chunk] == NULL) {
        page->chunks[chunk] = calloc(CHUNK_BITS / 64, sizeof **page->chunks);
    }
    return page->chunks[chunk] != NULL;
}

static enum ph_err note(struct page *page, int64_t seq, enum ph_load_receipt *receipt)
{
    const size_t chunk = (size_t)(seq / CHUNK_BITS);
    const size_t bit = (size_t)(seq % CHUNK_BITS);
    if (!make_room(page, chunk)) {
        return PH_ERR_MEMORY;
    }
    uint64_t *word = &page->chunks[chunk][bit / 64];
    const uint64_t mask = UINT64_C(1) << (bit % 64);
    *receipt = (*word & mask) != 0 ? PH_LOAD_DUPLICATE : PH_LOAD_FRESH;
    *word |= mask;
    return PH_OK;
}

enum ph_err ph_load_account_receive(struct ph_load_account *account, size_t subscriber,
    size_t publisher, int64_t seq, enum ph_load_receipt *receipt)
{
    const struct page key = {.publisher = (uint32_t)publisher};
    enum ph_err err = PH_OK;
    *receipt = PH_LOAD_STRAY;
    if (subscriber >= account->subscribers || publisher >= account->publishers || seq < 0 ||
        seq > SEQ_MAX) {
        return PH_OK;
    }
    struct group *group = &account->groups[account->group_of[subscriber]];
    struct page *page = group->page_count == 0 ? NULL
                                               : bsearch(&key, group->pages, group->page_count,
                                                     sizeof key, compare_pages);
    if (page != NULL) {
        (void)pthread_mutex_lock(&group->lock);
        err = note(page, seq, receipt);
        (void)pthread_mutex_unlock(&group->lock);
    }
    return err;
}
