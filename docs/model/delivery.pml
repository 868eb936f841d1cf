/* One delivery, two workers, one platform: kills, freezes, lost, late and refused requests.
 *
 * Follows postprober/pipeline: posting (claim, intent, last check, send, result), late (an answer after the fence has
 * moved), recovery (a lost worker), reconcile (look, never send). Time is not counted: a lease may run out whenever it
 * is held, a request may land whenever it is on its way. What the settle time buys is written as three assumptions;
 * each can be taken away when the model is built:
 *
 *   -DNO_LATE_BOUND     a request may land after the settle time
 *   -DNO_FREEZE_BOUND   a worker may stand still between its last check and the send for longer than the settle time
 *   -DNO_VISIBLE        a post that is there may be missing from its author's list
 *
 * MODE 1: reconcile (sends again when proved absent twice); 2: strict (then a person decides); 3: the platform knows
 * our handle, and a second request with it makes no second post.
 *
 * Deliberate mistakes, to see that the check would find them:
 *   -DNO_INTENT_RULE    a lost `submitting` goes back to `scheduled`
 *   -DNO_FENCE          results are written without a look at fence and state
 *   -DNO_LAST_CHECK     nobody looks at the lease before the send
 *   -DONE_READING       one reading is enough, and it is not waited for
 *   -DNO_RECOVERY       nobody takes back what a lost worker was sending
 */
#ifndef MODE
#define MODE 1
#endif
#ifndef KILLS
#define KILLS 2
#endif
#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef FREEZES
#define FREEZES 2
#endif
#define TRIES 3    /* domain.retry.MAX_TRIES is larger; one more try shows nothing new */
#define CRASHES 3  /* domain.retry.MAX_CRASHES */
#define NOBODY 2

mtype = { scheduled, claimed, submitting, unconfirmed, published, held, failed };
mtype = { none, sent, late, ok, no, unknown };

/* The row in the database. */
mtype state = scheduled;
byte fence, tries, crashes, absences, unsure;
byte leased = NOBODY;

/* The platform. `at[w]`: the newest request of worker w. A post that only its author sees (a ghost) is one that is
 * there; one that not even its author sees is what -DNO_VISIBLE is about. */
mtype at[2] = none;
byte visible, stray;        /* stray: requests of killed workers that are still on their way */

/* The workers. `window`: between the last check and the first byte. */
bool window[2], busy[2], alive[2];
byte kills = KILLS, faults = FAULTS, freezes = FREEZES;

#define FINAL (state == published || state == held || state == failed)

#ifdef NO_LATE_BOUND
#define LANDED true
#else
#define LANDED (stray == 0 && at[0] != sent && at[1] != sent && at[0] != late && at[1] != late)
#endif
#ifdef NO_FREEZE_BOUND
#define AWAKE true
#else
#define AWAKE (!window[0] && !window[1])
#endif
#ifdef ONE_READING
#define SETTLED true
#define READINGS 1
#else
#define SETTLED (LANDED && AWAKE)
#define READINGS 2
#endif
#ifdef NO_FENCE
#define OURS(s) true
#else
#define OURS(s) (fence == mine && state == s)
#endif

inline appear() {
#if MODE == 3
    visible = 1
#else
    visible++;
#endif
    assert(visible <= 1)                      /* at most one visible post, whatever fails */
}

/* The worker is gone: its memory, its place in the window and its connection with it. */
inline die() {
    kills > 0 -> kills--;
    if
    :: at[w] == sent || at[w] == late -> stray++
    :: else
    fi;
    at[w] = none; window[w] = false; busy[w] = false; alive[w] = false; mine = 0; seen = false
}

proctype Worker(byte w) {
    byte mine;
    bool seen;

idle:
    atomic { alive[w] = true; busy[w] = false; at[w] = none; seen = false; mine = 0 };
    do
    :: FINAL -> goto done
    :: atomic { state == scheduled && leased == NOBODY && crashes >= CRASHES -> state = held }      /* quarantine */
    :: atomic { state == scheduled && leased == NOBODY && crashes < CRASHES ->
                state = claimed; leased = w; busy[w] = true; fence++; mine = fence }; goto prepare
    :: atomic { state == unconfirmed && leased == NOBODY && SETTLED ->
                leased = w; busy[w] = true; fence++; mine = fence }; goto look
    :: atomic { die() }; goto idle
    od;

prepare:                                      /* tokens, media: nobody sees anything of it */
    if
    :: atomic { OURS(claimed) -> state = submitting; tries++ }                                     /* the intent */
    :: atomic { !(OURS(claimed)) -> skip }; goto idle
    :: atomic { die() }; goto idle
    fi;

check:
    if
#ifdef NO_LAST_CHECK
    :: atomic { window[w] = true }
#else
    :: atomic { leased == w && fence == mine -> window[w] = true }
    :: atomic { leased != w || fence != mine ->
                if
                :: OURS(submitting) -> state = scheduled; tries--; leased = NOBODY
                :: else
                fi }; goto idle
#endif
    :: atomic { die() }; goto idle
    fi;

    if                                        /* the first byte */
    :: atomic { window[w] = false; at[w] = sent }
    :: atomic { die() }; goto idle
    fi;

    if                                        /* the answer; a timeout comes to `unknown` */
    :: atomic { at[w] == ok ->
                if
                :: OURS(submitting) -> state = published
                :: !(OURS(submitting)) && (state == scheduled || state == claimed || state == unconfirmed
                                           || state == held || state == failed) -> state = published
                :: !(OURS(submitting)) && (state == submitting || state == published)   /* kept, a person is told */
                fi;
                leased = (state == published -> NOBODY : leased) }
    :: atomic { (at[w] == unknown || at[w] == late) ->
                if
                :: OURS(submitting) -> state = unconfirmed; absences = 0; leased = NOBODY
                :: else
                fi;
                if
                :: at[w] == late -> stray++
                :: else
                fi }
    :: atomic { at[w] == no ->
                if
                :: OURS(submitting) && tries < TRIES -> state = scheduled; leased = NOBODY
                :: OURS(submitting) && tries >= TRIES -> state = failed; leased = NOBODY
                :: !(OURS(submitting))
                fi }
    :: atomic { die() }
    fi;
    goto idle;

look:                                         /* one reading of the author's own posts */
    if
    :: atomic { SETTLED && visible > 0 -> seen = true }
    :: atomic { SETTLED && visible == 0 -> seen = false }
#ifdef NO_VISIBLE
    :: atomic { visible > 0 && faults > 0 -> faults--; seen = false }
#endif
    :: atomic { faults > 0 -> faults--;       /* stale, incomplete or refused: cannot tell */
                if
                :: OURS(unconfirmed) -> absences = 0; unsure++; leased = NOBODY;
                   state = (MODE == 2 || unsure > 1 -> held : unconfirmed)
                :: else
                fi }; goto idle
    :: atomic { die() }; goto idle
    fi;
    if                                        /* its consequence */
    :: atomic { OURS(unconfirmed) ->
                leased = NOBODY;
                if
                :: seen -> state = published
                :: !seen && MODE == 2 -> state = held
                :: !seen && MODE != 2 && absences + 1 < READINGS -> absences++
                :: !seen && MODE != 2 && absences + 1 >= READINGS && tries < TRIES && crashes < CRASHES ->
                   state = scheduled; absences = 0
                :: !seen && MODE != 2 && absences + 1 >= READINGS && tries < TRIES && crashes >= CRASHES ->
                   state = held
                :: !seen && MODE != 2 && absences + 1 >= READINGS && tries >= TRIES -> state = failed
                fi }
    :: atomic { !(OURS(unconfirmed)) -> skip }
    :: atomic { die() }
    fi;
    goto idle;

done:
    skip
}

/* Leases end, and what a lost worker leaves is taken back (recovery.recover_lost). */
active proctype Recovery() {
    do
    :: atomic { leased != NOBODY && !busy[leased] -> leased = NOBODY }                   /* its worker is gone */
    :: atomic { leased != NOBODY && busy[leased] && freezes > 0 && !FINAL -> freezes--; leased = NOBODY }
    :: atomic { state == claimed && leased == NOBODY -> state = scheduled; fence++; crashes++ }
#ifndef NO_RECOVERY
    :: atomic { state == submitting && leased == NOBODY ->
#ifdef NO_INTENT_RULE
                state = scheduled;
#else
                state = unconfirmed; absences = 0;
#endif
                fence++; crashes++ }
#endif
    :: FINAL && leased == NOBODY -> break
    od
}

active proctype Platform() {
    byte w;
end:
    do
    :: atomic { at[0] == sent -> w = 0 }; goto take
    :: atomic { at[1] == sent -> w = 1 }; goto take
    :: atomic { stray > 0 -> stray--; appear() }                                         /* it lands after all */
    :: atomic { stray > 0 -> stray-- }                                                    /* or never */
    od;
take:
    atomic {
        if
        :: at[w] != sent                                                                 /* its worker has died */
        :: at[w] == sent -> appear(); at[w] = ok
        :: at[w] == sent && faults > 0 -> faults--; appear(); at[w] = unknown            /* the answer is lost */
        :: at[w] == sent && faults > 0 -> faults--; at[w] = unknown                      /* the request is lost */
        :: at[w] == sent && faults > 0 -> faults--; at[w] = late                         /* it is still on its way */
        :: at[w] == sent && faults > 0 -> faults--; at[w] = no                           /* a clear no */
        fi
    };
    goto end
}

init { atomic { run Worker(0); run Worker(1) } }

/* Nothing that was accepted is lost: every run comes to an end or to a person, and the end is true. */
ltl ends { <> FINAL }
ltl true_end { [] !(state == failed && visible > 0) && [] (state == published -> visible > 0) }
