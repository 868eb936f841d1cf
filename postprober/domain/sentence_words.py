"""Words that tell where a sentence ends, in the languages people post in; case folded. Lists of our own, from grammars and
style guides."""

from __future__ import annotations

_EVERYWHERE = """
    a.d a.m b.c b.c.e c.e co corp dr e.g etc ext fig i.e inc jr ltd max min mr mrs ms mss no nos nr op p.a p.m
    p.s ph.d prof
    sr st tel vs vol i.v n.b r.i.p
"""
_TITLES = """
    adm assoc atty brig capt cmdr col cpl cpt cllr det dir esq fr gen gov hon insp lt maj messrs mlle mme mmes
    mgr msgr ofc pres
    pte pvt rep reps rev rt sen sens sgt supt hr hrn fr frl dipl ing mag dott dott.ssa dr.ssa prof.ssa sig sigg
    sig.ra sig.na
    geom avv arch rag on cav comm sra srta sres dra drs d.ª dª excmo excma ilmo ilma lic prof.ª profª sto sta ud
    uds vd vds
    eng exmo exma mons dhr mevr mw drs ir mr ds ing ks mgr inż hab red dyr kpt płk gen por sierż pp doç yrd uzm
    öğr av müh sn
    med phil rer nat jur theol habil h.c em th chr joh jos wilh friedr wm geo chas jas
    ss pe inh kath ev sgto card pkwy org şti  бульв корр респ оз ген пгт п-ов зам дир мкр var dir hab засл арт нар акад fa wydz kat lek spec insp hptm obst lt dñª dña ntra ntro ntr sto nra fdez
    rguez
    ret каб reż scen scenogr choreogr oprac tłum muz rež kam реж сост худ комп хор муз опер
    hz мед наук г-н г-жа д-р проф акад доц инж канд чл тов им св гр
"""
_CALENDAR = """
    jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri sat sun
    jän mrz okt dez mo di mi do so
    janv févr avr juil déc lun mer jeu ven sam dim
    ene abr ago set dic mié jue vie sáb dom
    genn febbr apr magg giu lug ott gio
    fev abr mai out dez seg ter qua qui sex
    mrt mei ma wo vr za zo
    sty lut kwi cze lip sie wrz paź lis gru pon wt śr czw pt sob niedz
    янв фев февр мар апр июн июл авг сен сент окт ноя нояб дек пн вт ср чт пт сб вс
    січ лют бер квіт трав черв лип серп вер жовт лист груд
    oca şub nis may haz tem ağu eyl eki kas ara pzt sal çar per cum cmt paz
    måndag tis tors fre lör sön maj okt
"""
_PLACES = """
    ave blvd bldg rd hwy ln sq mt ft pt apt dept univ u.s u.s.a u.k e.u d.c n.y calif mass
    str bhf hbf pl bez kr ldk
    av bd fbg rte imm bât
    avda pza plza c/ ctra edif núm urb izq dcha dep ee uu ff aa cc
    p.za c.so v.le loc prov fraz
    r trav lg
    ul al pl os woj pow gm
    cad sok mah apt blv bul
    ул пр просп пер пл наб бул обл р-н г гор д дер с п пос кв корп стр эт вул пров буд смт м
"""
_MEASURES = """
    approx avg est hr hrs sec mins secs kg km cm mm lb lbs oz mph kw kwh mio mrd tsd mln mld mrd bn tys godz
    мес руб коп тыс млн млрд мин сек час км кг см мм л гр экз шт грн хв год
    dk sn sa tl
    kr kl st mkr
"""
_TEXTS = """
    yrs yr pcs pc mos wks hist med nutr clin biol chem phys psychol sci proc bull ann acad soc inst assn bros
    mfg intl natl govt
    al approx ca cf cfr cit ch chap ed eds ff ibid incl excl loc nb para pp pt ref repr resp rev sec seq trans
    transl ver viz
    abb abs allg art aufl ausg bd bes bsp bzgl bzw ca d.h dgl ebd einschl etw evtl ev exkl gegr geb gest ges ggf
    hg hrsg inkl
    jh kap lfd lt m.e mind mtl nachm vorm näml o.ä o.g rd s.o s.u sog stk std tägl tgl u.a u.ä u.u ung usw usf
    u.s.w v.a v.chr
    n.chr vgl z.b z.t z.zt zz zzt zzgl zul zus
    apr av chap coll dép dir éd env ex hab inf n.d.l.r obs p.ex par réf s.a.r.l sté suiv sup
    aprox ap atte cap cía d.e.p dpto edit ej entlo fdo gral gob hnos impr jhs máx mín mtro mtra pág págs p.ej
    p.d q.e.p.d rte s.a
    sgte sig tfno tlf tte vto vol
    all art cap c.a c.m d.c a.c ecc es fig lett min mitt n.d.r nn oss pag pagg p.es p.v ps rif sec segg tav tel
    u.s v.le vol
    alm apart cód ed ex fac fls it lda l.da ltda n.b obs p.ex pág qd qto ref séc tb telef vd
    a.d.h.v a.g.v a.s a.u.b bijv blz bv c.q c.s d.d d.m.v d.w.z e.a e.d e.o e.v evt excl fam i.c i.h.a i.o i.p.v
    i.v.m incl jl
    k.k m.a.w m.b.t m.b.v m.i m.i.v m.n m.u.v n.a.v n.v.t nl o.a o.b.v o.i.d o.l.v o.m ong p.p p.st p.w red
    t.a.v t.b.v t.e.m t.g.v
    t.h.v t.m t.n.v t.o.v t.w.v t.z.t v.a v.d w.o z.g z.o.z z.s.m zgn
    a.a bl.a bl d.v.s d.y d.ä e.d e.kr ev f.d f.k f.kr f.n fig forts fr.o.m följ h.h i.st inkl jfr kap m.a.o
    m.fl m.m m.v mom
    n.b nuv o.d o.dyl o.s o.s.a o.s.v obs omkr osv p.g.a resp s.k s.l tex t.ex t.h t.o.m t.v tf u.p.a ung uppl
    utg
    bl.a dvs e.kr el fhv f.eks f.kr fmd hhv ifm ift inkl jf kbh kgl m.fl m.h.t m.m mfl mht mia mio n.å o.a osv
    p.gr pga pkt s.å sml
    såk tlf vedr
    bl.a bm br dl e.l fmk f.o.m. klo mm mrd ns n oik puh s t t.v ts v vrt ym yms yo
    cd cz dn dot ds itd itp jw kl lek m.in mec min mies n.e nast nb np nt ob oo oprac os płd płn pkt pl ppłk
    proc pw r red ryc s śp
    św tj tab tel tłum t tzn tzw ub ur w wg wł wyd zob zł zm
    aş age ank bkz bk böl çev der doğ hzl ist krş örn ör s sf tar tic vb vd vs yay yy yön yk
    т.е т.д т.п т.к т.ч т.н т.о в.т.ч и.о и.т.д и.т.п см ср напр др пр проч табл рис ред изд сокр тел обл рожд
    соч стр нач кон
    абс букв вкл ум ок прибл факс просп моб доб
    т т.зв ін тощо див напр грн вид ред стор ст
    π.χ κ.λπ κλπ κ.ά κ.α δρ κ κα αρ τηλ σελ μ.μ π.μ βλ χιλ εκ οδ λεωφ αγ
    د أ م أ.د ق.م ص.ب
    p.l atd apod tzv tj mj např čl čís ul tř nám str např sv mudr judr ing mgr phdr rndr csc
    pl stb kb ill ún ld vö dr ifj id özv u
    nr str bd dl dna d-na prof dr ş.a etc
"""
# Those that are ordinary words, too ("I said no."): only before a number they are abbreviations.
_ALSO_WORDS = """
    no nos art fig mar may dec sat sun set out sex mai mei ma di do so mi es on est ex lit sec pag par ref ver
    cap ch ed it all inf sup mo mer sal per ara lis der age ist tar red dot sie may pass ob pt ft cum com dim
    ven lug oca kas nis haz tem eki paz sam jun mass bok ten see let lett nuv од ум кас
"""
# Those that are ordinary words even with a capital.
_ALWAYS_WORDS = """
    may no so do it all set out sie es mi der ist age red dot see let ten pass cum per ed est ver ob on ma di
    mass bok kas ara haz tem may lug ext
"""
# Short words that end sentences; behind another short one a stop may stand for the rest of it ("dir.", "hab.").
_SHORT_WORDS = """
    it in up me us on off out one two six ten too yes no not day days man men do did go see you now new old all
    is was are be so to
    by him her them that this time here home work well good more year week life love back down over fine free
    safe open shut rain
    snow sea fun car bus dog cat eat ago late soon away done gone town city road hall park club team game goal
    half ball food milk
    eggs fish nuts cash only hour noon both none many less then when why how who what age arts bar bed big bit
    box boy girl cold
    wet dry end said came went told gave made took paid sold held kept read sing swim walk talk call ever few
    four five nine gift help hot ice job joy key kids last left loss luck moon part past plan play pool post
    rest rise room shop show side sick song step stop sun tea test too top true trip view wall war warm way wind
    word zoo yet
    auch gana ist sind war hat habt bin an ab auf aus zu um da los gut neu alt mit weg hin tun tag jahr uhr vor
    bei für dich mich uns euch ihr
    sie ihn ihm es das die der frei nein ja nie dort hier mehr sehr satz dazu vorn wird kann darf soll muss will
    geht gibt kam gab
    lag steht statt fest klar spaß ort ende geld haus zeit leid los tot not rot grün blau eis bad
    est là pas oui non moi toi lui elle nous vous tout tous bien fois jour mois ans midi nuit soir ici cela ça
    vie mort rien plus peu
    gens eau pain lait prix juin août mai mars rue
    es no sí ya hoy más día días mes año años casa bien mal vez allí aquí eso esto todo nada mar luz sol agua
    pan vida mil dos tres
    sei ore sera dopo poi qui lì là mai più meno bene male casa anno anni mese vita noi voi loro tutti pane
    não sim hoje mais dia dias mês ano anos casa bem mal vez aqui ali isso isto tudo nada sol água pão vida mil
    niet nee ja wel dag jaar week uur aan uit om toe weg mee naar hier daar goed open vrij maar meer deur
    inte nej ja dag år tid här där bra med ut in upp ned hem nu då ikke nei der her god
    nie tak dziś rok dni dom raz już tam tu też nic to ją go nas was ich
    var yok değil oldu için gün yıl iyi kötü ev su el ama daha çok az biz siz ben sen geldi gitti oku
    да нет не он она они мы вы нас вас их его её там тут тоже уже год лет дня дом мир раз вот всё все был была
    были мне нам вам
    так ні є рік дні дім раз вже тут там нас вас їх його її все був була
"""
# What stands inside names: "Museum of Modern Art", "Ludwig van Beethoven"; and what stands before one or a date.
_PARTICLES = """
    t il lo gli den dem do od the a af al am an and at auf aus av bei bin da dal das de dei del della der des di
    do dos du e el en et für i ibn im in la las le les lo los  of op og på s sur te ten ter the to und van vom
    von y zu zum zur à és и
"""
# What stands before a name without a stop.
_TITLED = """
    mr mrs ms miss dr prof sir dame uncle aunt captain doctor professor m mme mlle hr fr herr frau don doña
    señor señora sor fray
    mgr inż pan pani pani ks sig dott dhr mevr fru herrn д-р г-н г-жа пан пані пр-т б-р пл наб доктор профессор
    hz bay bayan
    الدكتور الدكتورة السيد السيدة الشيخ الأستاذ الأستاذة عبد أبو ابن بن آل ד"ר פרופ מר גב הרב no nr n° nº № tel
    tél art kl godz ul al
"""
# Words of German, which writes ordinals with a stop and nouns with a capital ("am 3. Mai"); and words before an ordinal.
_GERMAN = """
    und der die das ist nicht für mit auf wir vom zum ein eine am im von nach zu bei gegen wird sind sich auch aus
"""
_BEFORE_ORDINALS = """
    am im der die das den dem des vom zum beim bis ab und seit w od do den
"""
# What is denied stands behind it: nobody shall read a part that ends in "not".
_DENYING = """
    not no never nicht kein keine keinen keiner nie pas ne non jamais no nunca non mai não nunca niet geen nooit inte ikke ej aldrig
    nie не ні нет ما لا لم لن ليس לא אין אל
"""
# What a sentence begins with when it leans on the one before.
_LEANING = """
    it its this that these those he she they his her their but however therefore so thus hence because then also
    instead yet
    still otherwise and or too such which nor unless only except not nevertheless meanwhile there
    das dies diese dieser dieses er sie es ihr ihre sein seine aber doch jedoch deshalb deswegen darum daher
    denn dann auch sonst
    und oder trotzdem allerdings stattdessen dazu davon dabei damit dort nur außer
    il elle ils elles cela ça ce cette ces son sa ses leur mais cependant pourtant donc alors aussi sinon et ou
    car ainsi en
    él ella ellos ellas ello esto eso este esta estos estas ese esa su sus pero sin por así entonces también
    además y o solo
    egli lui lei loro esso essa essi ciò questo questa questi queste ma però quindi perciò allora anche inoltre
    e altrimenti solo
    ele ela eles elas isso isto este esta esse essa seu sua mas porém por então também além ou caso só
    het hij zij ze dit dat deze die maar echter dus daarom dan ook anders en of want wel toch
    on ona ono oni one to ten ta te ale jednak więc dlatego wtedy też także i lub oraz jego jej ich
    o bu şu onlar ama fakat ancak bu yüzden sonra ayrıca ve veya çünkü oysa
    он она оно они это этот эта эти но однако поэтому тогда также и или а же его её их зато потому
    він вона воно вони це цей ця ці але проте тому тоді також і або а його її їх
    det den de han hon hun men dock därför derfor då da också også och og eller
    هو هي هم هذا هذه ذلك تلك لكن ولكن لذلك لذا ثم أيضا و أو كما وهذا وهو وهي
    הוא היא הם זה זאת זו אלה אבל אך לכן אז גם ו או ולכן
"""
# Who or what a sentence speaks of was said earlier.
_PRONOUNS = """
    it its he she they him her them his their this that these those er sie ihn ihm ihnen ihr ihre sein seine
    dies diese dieser
    il elle ils elles lui leur leurs él ella ellos ellas su sus egli lui lei loro ele ela eles elas hij zij ze
    hem haar hun
    han hon hun hans hennes hendes de dem on ona oni jego jej ich он она они его её их ним ней він вона вони
    його її o onlar onun
    هو هي هم له لها لهم הוא היא הם שלו שלה שלהם 彼 彼女 それ 它 他 她
"""
# What a sentence begins with when it leans, in writing without blanks.
_LEANING_WIDE = "しかし ただし でも だが また そして それ これ その この そこ だから そのため なので ただ なお さらに 一方  但 但是 然而 不过 所以 因此 因为 它 他 她 这 那 而且 并且 另外 否则 于是 同时 也 不過 這 하지만 그러나 그래서 그것 이것 그리고 또한"

# After their stop (the last one is left out here) a sentence goes on. A wrong entry makes one sentence of two, which costs
# little; a missing one cuts a name or a date in two.
ABBREVIATIONS = frozenset(" ".join((_EVERYWHERE, _TITLES, _CALENDAR, _PLACES, _MEASURES, _TEXTS)).split())
BEFORE_NUMBERS = frozenset(_ALSO_WORDS.split())
ALWAYS_WORDS = frozenset(_ALWAYS_WORDS.split())
SHORT_WORDS = frozenset(_SHORT_WORDS.split())
PARTICLES = frozenset(_PARTICLES.split())
TITLES = frozenset(_TITLED.split())
GERMAN = frozenset(_GERMAN.split())
BEFORE_ORDINALS = frozenset(_BEFORE_ORDINALS.split())
DENYING = frozenset(_DENYING.split())
LEANING = frozenset(_LEANING.split())
PRONOUNS = frozenset(_PRONOUNS.split())
LEANING_WIDE = tuple(_LEANING_WIDE.split())
