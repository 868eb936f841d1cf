/* Two deliveries with the same words to one remote account, and somebody who posts these words by hand.
 *
 * What delivery.pml leaves out: whose post is it? Follows postprober/pipeline/publishing (reconcile, failures) and
 * core/adopt: what may be adopted by its words, what is held, and what becomes of a held one. How one delivery gets its
 * request out is told by delivery.pml; here a request is on its way, arrives or is lost, and its answer comes or does not.
 *
 * Time is counted in events. `born` is the platform's, `intent` is ours: the two can be compared because the platform
 * tells its time with each answer. Assumptions, each of which can be taken away:
 *
 *   -DNO_LATE_BOUND     a request may land after the settle time
 *   -DNO_VISIBLE        two readings in a row may miss a post that is there
 *
 *   -DCLOCKS_APART      the platform does not tell its time, and our clock is off by anything
 *   -DREFUSES           the platform refuses the words that are there already, and names the first post with them
 *
 * Deliberate mistakes:
 *   -DNO_SIBLING        adopted by words although the other delivery is in doubt, too
 *   -DNO_OWNER          a post may belong to both
 *   -DNO_TIME           what was there before the intent counts
 *   -DTRUST_OUR_CLOCK   with CLOCKS_APART: our clock is compared all the same
 *   -DONE_READING       one reading proves absence
 *   -DNAMED_IS_OURS     with REFUSES: what a refusal names is adopted unread
 *   -DHELD_FORGOTTEN    nobody looks for a held one any more
 */
#define N 2
#define POSTS 5
#define BY_HAND 2
#define FREE 3
#define NONE 9
#define TRIES 2

mtype = { planned, sending, unknown, held, published, ended };

mtype state[N] = planned;
byte intent[N], tries[N], absences[N], missed[N], ref[N] = NONE;
bool flight[N];   /* a request is on its way */
bool doubt[N];    /* a try may have arrived, and nobody knows */

bool risk[N];     /* a person decided without having looked */
bool refused[N];  /* the platform said that the words are there */

byte now = 1, made, hands;
byte by[POSTS], born[POSTS], owner[POSTS] = FREE;

#define OTHER(d) (1 - d)
#define IN_DOUBT(d) (state[d] == sending || state[d] == unknown || state[d] == held)

byte own[N]; /* how many posts each has made */
#define OWN(d) own[d]

inline make(who) {
    by[made] = who; born[made] = now; made++; now++;
    if
    :: who < N -> own[who]++
    :: else -> skip
    fi
}

inline take(d, p) { owner[p] = d; ref[d] = p; state[d] = published; doubt[d] = false }

/* Of the posts that the list shows, those that may be d's: `hits` of them, the last is `hit`; `clear`: nothing about it is
 * unclear. */
inline look(d) {
    hits = 0; hit = NONE; clear = true; q = 0;
    do
    :: q < made ->
        if
#ifndef NO_OWNER
        :: owner[q] == OTHER(d) -> skip
        :: else ->
#else
        :: true ->
#endif
            if
#ifdef CLOCKS_APART
#ifdef TRUST_OUR_CLOCK
            :: hits++; hit = q
            :: skip
#else
            :: hits++; hit = q; clear = false
#endif
#else
#ifdef NO_TIME
            :: hits++; hit = q
#else
            :: born[q] >= intent[d] -> hits++; hit = q
            :: else -> skip
#endif
#endif
            fi
        fi;
        q++
    :: else -> break
    od;
    q = 0;
    if
#ifdef NO_VISIBLE
    :: hits > 0 -> hits = 0; hit = NONE
#else
    :: hits > 0 && !missed[d] -> hits = 0; hit = NONE; missed[d] = true
#endif
    :: missed[d] = false
    fi
}

inline conclude(d) {
    look(d);
    if
    :: hits == 0 ->
        absences[d]++;
        if
        :: state[d] == held -> absences[d] = 0
#ifdef ONE_READING
        :: state[d] == unknown && !refused[d] ->
#else
        :: state[d] == unknown && !refused[d] && absences[d] >= 2 ->
#endif
            absences[d] = 0; missed[d] = false;
            if
            :: tries[d] < TRIES -> state[d] = planned
            :: else -> state[d] = ended; doubt[d] = false
            fi
        :: state[d] == unknown && refused[d] && absences[d] >= 2 -> state[d] = held; absences[d] = 0
        :: else -> skip
        fi
    :: hits > 1 || (hits == 1 && !clear) -> state[d] = held; absences[d] = 0
    :: hits == 1 && clear ->
        absences[d] = 0;
        if
#ifndef NO_SIBLING
        :: IN_DOUBT(OTHER(d)) -> state[d] = held
        :: else -> take(d, hit)
#else
        :: take(d, hit)
#endif
        fi
    fi;
    hits = 0; hit = NONE; clear = true
}

active [N] proctype delivery() {
    byte d = _pid, hits, hit = NONE, q;
    bool clear = true;
    do
    :: atomic { state[d] == planned ->
            tries[d]++; state[d] = sending; flight[d] = true; refused[d] = false;
            if
            :: doubt[d] && intent[d] > 0 -> skip
            :: else -> intent[d] = now; now++
            fi }
    /* The request arrives, or is lost; the answer comes, or does not. */
    :: atomic { flight[d] && state[d] == sending ->
            flight[d] = false;
            if
#ifdef REFUSES
            :: made > 0 ->
                if
                :: !doubt[d] -> state[d] = ended  /* refused at the first try: nothing of ours is there */
                :: else ->
                    refused[d] = true;
                    if
#ifdef NAMED_IS_OURS
                    :: owner[0] == FREE && !IN_DOUBT(OTHER(d)) -> take(d, 0)
#else
                    :: owner[0] == FREE && !IN_DOUBT(OTHER(d)) && born[0] >= intent[d] -> take(d, 0)
#endif
                    :: else -> state[d] = unknown; absences[d] = 0
                    fi
                fi
            :: made == 0 ->
#else
            :: made < POSTS ->
#endif
                make(d);
                if
                :: take(d, made - 1)                                              /* answered */
                :: state[d] = unknown; doubt[d] = true; absences[d] = 0           /* the answer was lost */
                fi
            :: state[d] = unknown; doubt[d] = true; absences[d] = 0               /* the request was lost */
            fi }
    /* Cut off: it may still arrive. */
    :: atomic { flight[d] && state[d] == sending -> state[d] = unknown; doubt[d] = true; absences[d] = 0 }
#ifdef NO_LATE_BOUND
    :: atomic { state[d] == unknown -> conclude(d) }
#else
    :: atomic { state[d] == unknown && !flight[d] -> conclude(d) }
#endif
#ifndef HELD_FORGOTTEN
    :: atomic { state[d] == held && !flight[d] -> conclude(d) }
#endif
    :: atomic { (state[d] == published || state[d] == ended) && !flight[d] -> break }
    od
}

/* Late requests land, or are lost. */
active proctype wire() {
end:
    do
    :: atomic { flight[0] && state[0] != sending && made < POSTS -> flight[0] = false;
            if
#ifdef REFUSES
            :: made == 0 -> make(0)
            :: made > 0 -> skip
#else
            :: make(0)
#endif
            :: skip
            fi }
    :: atomic { flight[1] && state[1] != sending && made < POSTS -> flight[1] = false;
            if
#ifdef REFUSES
            :: made == 0 -> make(1)
            :: made > 0 -> skip
#else
            :: make(1)
#endif
            :: skip
            fi }
    od
}

/* Posts the words by hand once, and decides about what is held. */
active proctype person() {
    byte d, p;
end:
    do
    :: atomic { hands == 0 && made < POSTS -> hands++; make(BY_HAND) }
    :: atomic { d = 0; decide:
            if
            :: state[0] == held -> d = 0
            :: state[1] == held -> d = 1
            fi;
            if
            /* "It is not there", said by who has looked: published anew, or given up. */
            :: OWN(d) == 0 && !flight[d] ->
                if
                :: tries[d] < TRIES -> state[d] = planned
                :: state[d] = ended
                fi
            /* "It is there." */
            :: p = 0;
                do
                :: p < made && owner[p] == FREE -> if :: by[p] != d -> risk[0] = true; risk[1] = true :: else fi; owner[p] = d; ref[d] = p; state[d] = published; break
                :: p + 1 < made -> p++
                :: else -> break
                od
            :: skip
            fi;
            p = 0; d = 0 }
    od
}

#define ONE(d) (OWN(d) <= 1 || risk[d])
/* By hand after the intent: nothing tells it from ours, unless the platform names the app (tests/chaos, assumption 5). */
#define MINE(d) (ref[d] == NONE || risk[0] || risk[1] || by[ref[d]] == d || (by[ref[d]] == BY_HAND && born[ref[d]] >= intent[d]))
#define APART (ref[0] == NONE || ref[0] != ref[1])
#define SAID(d) (state[d] != ended || OWN(d) == 0 || risk[d])

ltl once { [] (ONE(0) && ONE(1)) }
ltl ours { [] (MINE(0) && MINE(1) && APART) }
ltl said { [] (SAID(0) && SAID(1)) }
/* A held one whose post is there, alone and clear, is not held for ever. */
#define LOST(d, e) (!risk[d] && state[d] == held && own[d] == 1 && hands == 0 && own[e] == 0 && (state[e] == ended || state[e] == published))
ltl found { !(<> [] LOST(0, 1)) }
