#include "device/purpose.h"

enum { REFUSED_TURNS = 4 };  /* every fourth attempt is the claim's */
enum { STRANDED_TURNS = 6 }; /* every sixth attempt is the doubt's */

int ph_purpose_patience(bool known)
{
    return known ? 3 : 1;
}

bool ph_purpose_stranded(const struct ph_purpose_facts *facts)
{
    return !facts->certificate || (facts->expired && !facts->next);
}

struct ph_purpose ph_purpose_decide(const struct ph_purpose_facts *facts)
{
    bool stranded = ph_purpose_stranded(facts);
    bool shunned = facts->refusals % REFUSED_TURNS == REFUSED_TURNS - 1;
    bool doubt = facts->certificate && stranded && facts->renewal &&
                 facts->stranded % STRANDED_TURNS == STRANDED_TURNS - 1;
    struct ph_purpose purpose = {.claim = facts->claim && !doubt && (stranded || shunned)};
    purpose.next = !purpose.claim && facts->on_next;
    purpose.time_only = doubt || (!purpose.next && (facts->renewal || purpose.claim) &&
                                     facts->failures >= ph_purpose_patience(facts->known));
    return purpose;
}

bool ph_purpose_equal(const struct ph_purpose *a, const struct ph_purpose *b)
{
    return a->claim == b->claim && a->time_only == b->time_only && a->next == b->next;
}
