#include <openssl/x509v3.h>

#include "x509/authority.h"

struct climb {
    const struct ph_path_search *search;
    struct ph_path path;
    int found; /* paths so far */
};

static const struct ph_trust_certificate *at(const struct climb *climb, size_t index)
{
    return &climb->search->trust->certificates[index];
}

static bool is_usable(const struct climb *climb, const struct ph_trust_certificate *certificate)
{
    const int64_t *now_ms = climb->search->now_ms;
    return certificate->revoked == NULL &&
           (now_ms == NULL ||
               (*now_ms >= certificate->not_before_ms && *now_ms < certificate->not_after_ms)) &&
           X509_check_purpose(certificate->x509, climb->search->purpose, 1) == 1;
}

static bool may_be_above(const struct climb *climb, size_t index, size_t below)
{
    const struct ph_trust_certificate *certificate = at(climb, below);
    return at(climb, index)->authority == certificate->issuer &&
           X509_check_issued(at(climb, index)->x509, certificate->x509) == X509_V_OK;
}

static bool go_up(struct climb *climb, size_t index);

static bool try_issuers(struct climb *climb, size_t below, bool roots)
{
    bool over = false;
    for (size_t i = 0; !over && i < climb->search->trust->certificate_count; i++) {
        over = at(climb, i)->root == roots && may_be_above(climb, i, below) && go_up(climb, i);
    }
    return over;
}

/* True when the search is over. */
static bool go_up(struct climb *climb, size_t index)
{
    struct ph_path *path = &climb->path;
    if (path->count >= PH_LIMIT_CHAIN_DEPTH - 1 || !is_usable(climb, at(climb, index))) {
        return false;
    }
    path->certificates[path->count++] = index;
    bool over = false;
    if (at(climb, index)->root) {
        over =
            climb->search->found(climb->search->context, path) || ++climb->found >= PH_LIMIT_PATHS;
    } else {
        over = try_issuers(climb, index, true) || try_issuers(climb, index, false);
    }
    path->count--;
    return over;
}

bool ph_paths_search(const struct ph_path_search *search, size_t start)
{
    struct climb climb = {.search = search};
    return go_up(&climb, start) && climb.found < PH_LIMIT_PATHS;
}

bool ph_path_set(const struct ph_trust *trust, const struct ph_path *path, size_t from,
    X509_STORE_CTX *ctx, X509 *x509, struct ph_path_stacks *stacks)
{
    stacks->trusted = sk_X509_new_null();
    stacks->untrusted = sk_X509_new_null();
    bool ok = stacks->trusted != NULL && stacks->untrusted != NULL;
    for (size_t i = from; ok && i < path->count; i++) {
        STACK_OF(X509) *stack = i + 1 < path->count ? stacks->untrusted : stacks->trusted;
        ok = sk_X509_push(stack, trust->certificates[path->certificates[i]].x509) > 0;
    }
    ok = ok && X509_STORE_CTX_init(ctx, trust->store, x509, stacks->untrusted) == 1;
    if (ok) {
        X509_STORE_CTX_set0_trusted_stack(ctx, stacks->trusted);
        /* From below upwards: a root may bear the name of the CA below it. */
        (void)X509_VERIFY_PARAM_clear_flags(
            X509_STORE_CTX_get0_param(ctx), X509_V_FLAG_TRUSTED_FIRST);
    }
    return ok;
}

void ph_path_stacks_free(struct ph_path_stacks *stacks)
{
    sk_X509_free(stacks->trusted);
    sk_X509_free(stacks->untrusted);
    *stacks = (struct ph_path_stacks){0};
}
