"""What the sentence splitter knows of English.

Lists of our own, each entry put to the official checker (NLTK's Punkt model of English) and kept where that agrees: so
"e.g.", "i.e.", "etc." and "no." are not here, which it takes for the ends of sentences, as it does "B. C. E.".
"""

from ponder.verifiers.instructions.openers import OPENERS, words

# Without their last stop, in lower case.
ABBREVIATIONS = words(
    """
dr mr mrs ms messrs prof st sr jr gen col maj lt adm sen rep reps
jan feb aug sept sep oct nov dec tues wed fri
inc corp co ltd cos bros cie s.p.a s.a n.v b.v c.v a.g
ala ariz calif colo conn fla ga ill kan ky mich minn nev okla ore pa tenn va vt w.va wash wis
n.c n.d n.h n.j n.m n.y r.i s.c d.c l.a u.k u.n u.s u.s.a u.s.s.r
a.d a.m p.m m.b.a ph.d ave ct sw ft mg yr chg vs ok
c d e f g h k l m n p r s t v w
a.a a.c a.h a.s a.t b.f d.h d.w e.f e.h e.l e.m f.g f.j g.d g.f g.k h.c h.f h.m j.b j.c j.j j.k j.p j.r l.f l.p m.j r.a
r.h r.j r.k r.t s.g s.s t.j w.c w.r w.w
"""
)

# Words that do not begin a sentence after a number and a stop, as in "1. Business": headings of newspapers.
AFTER_NUMBERS = words(
    "abreast business commodities corrections credit dividend financing insider international leisure letters notable "
    "review who"
)

# Words that are written small, but of which there are names too ("Bank", "New"): after an abbreviation they do not begin
# a sentence, after an initial that is no known abbreviation ("B. Bank") they do.
ALSO_NAMES = words(
    """
a ability about absolute access account accounting accounts achievement acquire acquired across act acting action
activities activity actor acts actual actually add added additional ads advance advertising affect after again against
age agency ago agree agreement agrees aid air aircraft airport alarm alcohol aliens all alone also alter aluminum am
amendment an and another answer antibody any apart appeal appears approve are area areas aren arms army around
arrested arrests art arts as aside asks assemble assistant associated association at atom atomic attempt attorney
attract auditorium automatic average avoid avoided award away b baby back background bad balance ball ban bank banks
bar base based basically basketball bay be beach bear bears beautiful beauty because becomes been beer before began
beginning begins behave bell bells below belt bend benefits best bid bidding big biggest bill billion bills
biotechnology birthday black block blue board boat bob bonds bones book books boom boots border born borrowed boss
bottom bought breakfast brewing bride brief brighter bring brothers brought brown budget building buildings bull
business busy buy buying buys by c cable cafe called calls camp campaign campus can cancer candy cane cap capacity
capital card cards care carrier carriers cars case cases cash castle cat catch category cats cattle ceiling cellular
center centers central century certain chain chains chamber change changed changes changing channel chapter charged
charges chase cheaper checks chemical chicken child children china chip chips chocolate chocolates cholesterol church
cited cities city civil claims class clean clear clearing clearly clients climbed clinic close closed closely closer
club coach coal code coffee collection college color combines come comes coming commercial commission committee common
communications communities community companies company competition completes complex composite computer computers
concept concern concert concludes confidence congressional conservation conservative construction consumer container
continue continues contract contraction contracts control convention converts copper corn costs could couldn council
count countries country county court cover crazy creative credit crisis critical cross crown crucial cry culture cup
currency current customers cut cuts d dad daily damage damaged dance data day days de dead deal deals dealt dean death
debts decided decision defense deficit delay demand department departure deposit der des desert design detect
development device devices di did died digital dinner discount disease diseases distribution district division do
doctors dog dollar dominated don doubled down dream drive drives driving drop drug dry due during dust duty each
earned earnings earth east easy eat economic economy editor education effect effort efforts elected election electric
electrical electricity electronic electronics emerge emerges employees employment en end ended ending ends energy
engine engineering entertainment environmental equipment error establishing estate estimate ethics evening events
every everyone everything exchange exit expect expected exploration explosion express extended extension face faces
factors facts fail failed fails failure failures fair fairy fall falls false family far fares farm farmer farms fast
father favored favors fed fee feed feel fees fell festival fever few field fields fifth fight fighting film finance
financial find finding finds fine fire firm firms first five flat flew flights flow focus food foods football for
force forest form former forms found four fourth fox free freedom fresh fried friends from front fruit fuel full fun
function fund funding fungi furniture further future gain gains game games gap garden gas gate gates gear general
generally generation generic genetic get gets getting giants give glass go goal god gold golden gone good goods got
governing government grace grades gradually graduate graduation grand grant granted gray great green group groups grow
grows growth guaranteed guide gym had half hall halt hand handling hard hardware has have having head health heard
heart heat heel heels heights held help hey hidden high higher highway hills hip his history hit holding home homes
hope hopes horses hospital hotel house household how human hunt hunter ice ideas identify ill impact impose improper
includes income increase increases increasing index indicate indicator industrial industry inflation information
insurance intelligence intended intense interest intermediate internal interstate introduce introduction investment
investments invisible involved involving iron is island islands isolated issue issues its itself jazz jet job jobs
join joint journal jump jury just juvenile keep keeping key kind king knitting know knowing knows la labor lake land
landscape lane large largest last late later latest law laws lawyer lay lead league learning leave leaves leaving left
leg legal lengths less let letter level levels license life light like likely lime limit limited limits line lines
link little live load loan loans local logic long longer look looks los loss losses lost lottery love low lower lowers
lowest loyalty lucky lumber machine machinery machines made magazine magazines magic mail main maintains major make
makes making man management manufacturers manufacturing maps march margins marine mark market marketing markets marks
married mass master material materials matter may maybe me means meant measure meat media medical medicine meet
meeting members memories memory men met metal metals methods metropolitan mice microwave middle might mile military
million mills minerals minor minutes mirror mirrors miss mixed model models modern money monitor month more mostly
motion motor mount mountain mountains move movement moves movie movies moving much museum mushrooms music musical must
mutual my mystery nail name named names naming national natural near nearly nest net network networking never new news
newspapers next niche night nine no nobody none normal north northern not notes notice novels now nuclear observer
obviously of off offer offering offers office offices official officials often oil old omitted on once one only open
opera operating operation operations opinion opposed option options or order orders organization other others our out
outline output outside over own owners pace package palace paper parent parents park part parties partners parts party
past pattern pay paying payment peace penalty pension people perhaps period perspective pet photo photographs physics
picks picture pictures pile pizza place placed placement plan planning plans plant plants players plus pocket point
poles police policies policy pollution poor popular population pork portable portions positions possible post posts
power practices premier president presses pressure price prices primary prime principles print prints prize probe
procedure produce producers production products professional profit profits programs project promote properties
property proposal protection providing proxy public publishing pump purchase purpose push qualify quality quarter
quarterly queen quick quickly quiet quit quite rabbit race radar radio raise raised raises raising random rank rare
rate rates rather ratings re reach reached react read reading ready real really reason reasons recall receives record
recording records recovery red reduce reduces reducing reference refund refuses register regulation regulatory reject
related relations release remains repair report reported reporter reports representative request requests requirement
research resistance resolve resource resources rest resume retirement return returns revenue reversal review
revolution rice rich ride rights ring rise rises risk road rock rocky role rolling room rose route row rubber rule
rules run running rust s saddle safety said salaries salary sale salt sampling satellite savage save savings say
saying says scheme school schools science scientific scientists scores screen sea search seat seats second secret
sector sectors security see seek seeking seen sees sell sells semiconductor sending senior series serious service
services set sets settle several share shares shark sharp she sheet ship shoe shop shopping shops short short-term
should show showed shows side sides sign signal signature signs silicon silver singer singing site sites situation six
sixth sleep sleeping slide slightly slip small smart snake social society soft software sold something somewhere song
sophisticated sorts sound soup sources south southern soybeans space speaker special split sports spot spring springs
square stabilize staff standard star stars start starts state states station statistical statistics stay steel steps
sterling stock stone stop store stores storm story straight strategic strategies strategy street strong stronger
student students studies study stuff subcommittee subject substance sue sugar suit suits summary summer sun
supermarket supplies supply support sure surge surplus survey survive swap sweet switch symbol system systems table
take taken takes talk talking target tasks tax taxes teachers tech technical techniques technology teeth telephone
television tell tells tennis terminated test tests than that theater their then thing third those thousands three
tickets tied ties time times tire to today told too tool tools top topic total touch tour toward tower town toy toys
track trade trades trading traffic training transaction transport transportation trash travel tree trends trial trip
truck trucks trust tube turkey twice two types uncle understanding union unit united units universal universe
university until up upgrade upper use used useless users usual usually utility value valued van vehicles veterans vice
video view viewed views violence visit volume vote voted voting wages wake wall want war ward was wasn watch water way
ways we weak week weekly weighed weighs well wells west western what wheel where white who wholesale whose why wider
wild will wind windows wine wing winning wins winter wire with woman women won wood woods word work worker workers
works world worlds worth would wouldn write wrong wrote year years yield you young z
"""
)

# Words that are written small at all; "I" is not.
SMALL = (OPENERS | ALSO_NAMES) - {"i"}
