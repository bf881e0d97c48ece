"""Words that begin a sentence when they stand, with a capital, after an abbreviation or an ellipsis.

A list of our own: words of everyday English and of the benchmarks' questions, each put to the official checker (NLTK's
Punkt model of English) and kept where that took it for the beginning of a sentence. Punkt learnt it from newspapers: a
word begins a sentence if it was read in small letters, and never with a capital inside a sentence; so "Company" and
"New", of which there are names, are not here but in ponder.verifiers.instructions.english.
"""


def words(text: str) -> frozenset[str]:
    """A set from a list with spaces."""
    return frozenset(text.split())


OPENERS = words(
    """
abilities able abortion above absence absent absolutely absorb absorbed absurd academic accelerate accelerated
accelerates accelerating acceleration accept acceptable accepted accessible accident accidents accomplish accomplished
according accordingly accountant accounted accreditation accrue accumulated accuracy accurate accurately achieve
achieved acid acidic acres acted actions activated active actively acute ad adapt adapted adding addition additive
address addressed addresses adds adequate adjacent adjust adjustments administrators admission admissions admitted
adopted adoption adult adults advantage advantages advent advertised advice affected affecting affects afford afraid
afternoon afterward afterwards aged agent agents aggressive agreed ahead aim aimed aims airplane album aligned alive
allies allocated allow allowed allowing allows almost along alphabet already alternating alternative alternatives
although altitudes altogether altruistic always ambiguous among amount amounts analysis ancient anemia angle angrily
angry animal animals anniversary announced annual anomaly anonymous answered answers antibiotic antibiotics anticipate
anyone anything anyway anywhere apartment apparatus apparent appealing appear appearance appearances appeared
appearing appendix applicants application applications applied applies apply applying appointments appraised approach
approaches appropriate approximate approximately approximates aquatic arbitrary architecture architectures argue
argued argument arguments arm arose arrange arranged arrangement arrangements arranging array arrival arrive arrived
arrives arriving arrows article articles artificial artist ascent ask asked asking aspects assembled assembly
assertion asserts assign assigned assignment assignments assistants associate associations assortment assume assumed
assumes assuming assumption ate athletic atmosphere atoms attach attached attack attacked attacks attain attempting
attempts attend attendance attended attending attention attracted attraction attractive attracts attribute attributed
attributes au audience author authorization authors automatically automobile availability available averages averaging
awake awarded awards awareness ax axes babies backbone bacterium bag bags bail baked balanced balloon balloons balls
band barely barley barometer barrels barrier barriers bars baseball basement bases basic basis basket bat bats
batteries battery beaches beans beard bearing beat beats became become becoming bed bedroom beds beef bees begin
behavior behind being believed believes belong belongs bench bends beneficial benefit bent besides bet beta better
between beyond bias biased bicycle bids bigger binding binge biography biological biologists biology birds birth bit
bits blackboard blind blocked blocking blocks blood blows boards boats bodies body bold bomb bombarded bombing bombs
bond bonding bonus booked booster boosting borders both bottle bottles bounce bound boundaries bouquet bow bowling box
boxes boy boys bracket brackets brain brakes branch branches brand breach bread break breaking breaks breast breathing
breed breeding breeds brick briefly bright brightest brilliant bringing brings broadcasts broke broken brokerage
brother bubble bubbles bucks bud buffer build builder builds built bulk bunch bunches bundle buoyant buried burn
burned burning burst bus buses bust but butter buyer cabinet calculate calculated calculates calculating calculation
calculations call calling came camera camping campsite cancel canceled cancelling candidate candidates cannot
capabilities capability capable capitalize capitalized caps capsule capsules capture captured car carbon careful
carefully carpet carried carries carrot carrots carry carrying carver cassette cast catastrophic catches categories
catering caught cause caused causes causing celebrate cell cells cent centered cents certainly certificate
certificates chair chairs challenges challenging chance chances channels character characteristic characterization
characterized characterizes characters charge charging chart cheapest check checked checking cheerleader cheerleaders
cheese chef chefs chemically chemicals chess chest chilly chimpanzees choice choices choose chooses choosing chorus
chose chosen circles circuit circuits circulation civilian civilians claim claimed classes classical classification
classified classrooms cleaning client climate climb climbing clock closes closest closing clothes clothing cloud clubs
cluster clutch coaches coat cocktail codes coil coin coincide coincides coins cold collapsed collect collected
collecting collections collectively colleges colonize colored colorful colors column columns combination combinations
combine combined combining combustion comedy comfortable comic comment comments committees committing commonly
communicate compact comparable compare compared compares comparing comparison comparisons compatible compensation
competing competitive competitors complaints complete completed completely completing completion complexity component
components composed composition compound compounded compounds comprehend compression comprises compromise compromised
concentrate concentration concentrations conceptual concerned concerning concerns concise conclude concluded
conclusion conclusions concrete condition conditional conditioning conditions conduct conducted conducting conductor
confident confidentiality confined confirms conflict connected connecting connection connections consecutive
consequence consider consideration considerations considered considering considers consist consisted consistent
consisting consists constant constituents constitute constrained constraints constructed consumed consumption contact
contacts contain contained containers containing contains contemporary content contents contest context continent
contingency continually continued continuing continuous continuously contracted contracting contractor contradiction
contrary contribute contributed contribution contributions controlled convenience convenient conventional conversation
conversion convert converted converting convince convincing cookies cooking cool cooled coordinate copies copy copying
copyright core corner correct correctly correlation correspondence corresponding correspondingly corresponds cost
costly counted counter counties counting counts couple coupled coupon course courses covered covering covers cows cozy
craft crates craziness cream create created creates creating creators crimes criticize critique critiques crop crossed
crosses crossing crowd crowded crystal cure curiously currently customer cutting cycle cycles damn damped danced
dangerous dark dash dashed database date dates dating daughter dawn deadline dealership dealing decade decay deceptive
decide decides deciding decisions declarations decrease decreased deduced deemed deep deeper deer defeat defective
defects define defined defines defining definition degenerate degree degrees delayed deleted delicious deliver
delivered delivers delivery demonstrate denial denominations dense dental depart departed depend dependence dependent
depending depends depreciated depreciates depth derivative derive derived descended descending describe described
describes describing description designed designer designing desk desktop despite destroy destroyed detailed details
detected detection detector detectors detention determine determined determining develop developed developers
developing diagnosed diagram diagrams dial dialogue diameter diaper diapers dice dictionary didn die dies diet differ
difference differences different differential differs difficult difficulty dig dilute dimes dinar dioxide direct
directed direction directions directly dirt disadvantage disadvantages disappear disappeared disappointed discipline
disconnected discounted discovered discuss discussion dish disintegrate disk disks disorder disorders dispatched
displaced display displayed displays disruptive dissolved distance distant distinct distinction distinctive
distinguish distinguished distressed distribute distributed distributes distributing distributions districts dive
diverse divided dividing divisions doctor document documentation does doesn dogs doing dollars dominant dominates
donate donated donations done door doors dosages dose dot dotted double doubling doubly downward dozen dozens draft
drag dragged drastic draw drawing drawn draws dress dressed drift drink drinking drinks driven drivers dropped
dropping drove drugs duck ducks duplicate duration dwarf dying dynamic eager ear earlier earliest early earn earning
ears easier easiest easily eaten eating echoing economist edge edible editing edits educated effective effectively
effectiveness effects efficiency efficient efficiently egg eight either elaborate elderly electrons element elementary
elements elephant elephants elevator eliminate eliminated eliminating elimination else elsewhere embarrassing
emergency emerging emission emits employ employed employee employer empty enable enables enabling enclosed
encompassing encountered encourage endanger enemies engaging engineer engineers engines enjoy enlightened enormous
enough ensure ensures entails entangled enter entered entering entire entirely entities entitled entrance entries
entry environment environments enzyme episode equal equality equally equals equation equivalent erase eroded errors
escape essay essential essentially establish established establishes estimated estimates et etc evaluate evaluating
evaluation evaporation even evenly event eventually ever everyday everywhere evidence evidenced evolutionary evolve
evolved exact exactly exam examination examine examined examining example examples exceed exceeded exceeding exceeds
except exceptional excess exchanged exchanging excite excited exciting exclude excluded exclusive exclusively execute
executed execution exercise exercised exercises exercising exist existed existence existing exists expand expanded
expanding expands expansion expectation expenditure expenses expensive experience experienced experiences experiencing
experiment experimental experimenter experimenting experiments expiration expired explain explained explaining
explains explanation explanations explicit explicitly explode explore exponent exposed exposure expressed expressing
expression expressions extend extending exterior external extinction extra extract extreme extremely eye eyebrows eyes
fabric facilitated facing fact factor factory faculty failing fairly fake fallen falling families famous fan farmers
farther fashion faster fastest fat fate fault faulty favor favorable favorite fear feature features feedback feeding
feels feet felt female females fence ferns fertilizer fetch fewer fiber fibers fig figure figures file files fill
filled filling fills final finale finally finders fingers finish finished fired fires fish fishing fit fitness fits
fix fixed flag flamingos flash flavor fled fledgling fleets flesh flies flight flipped float floating floats flooding
floor flop flower flowers flows flu fluctuations fly flying focuses fold follow followed following follows foolish
foot footwear forbidden forced forces forget fork formal formally format formation formations formed forming formula
forth forward fought founding fraction fractional freely freeze freezing frequency frequent frequently friction friend
friendly friendship fringes frost frozen fruits fuels fulfill full-time fully functions fundamental funny furnace
furthermore gained gaining galactic gallon gaps garbage gardening gasoline gather gathered gathering gave geared gears
gender generate generated generating generations generator generous genes genetically gentle geographic giant gift
gifted gifts gingerbread girl girlfriend girls given gives giving glasses global glue goals goat goes going golf goose
gradual graduates gravity greater greatest grew grid grind grocery gross grossed ground grounds growing grown
guarantee guarantees guess guessing guest guests guides guinea guitar guns gut guy hair halls halved halves hamburgers
handed hands hang hanging hangs happen happened happening happens happy harder harvest harvested harvesting hasn hated
hats haul he headed heading headline heads heal healthy hear hears hearts heated heating heavier heaviest heavily
heavy height helium helped helpful helping helps hence henceforth her here heroes hers herself hid hide hiding
high-quality highest highlight highlights highly hike hiked hiking hilarious him himself hire hired hires historical
hits hitting hold holds holed hollow holocaust homework honest honors hop hoping hormone horns horse host hosted hot
hour hourly hours households houses however howls hug hull humans humming hundred hundreds hunting husband hybrid
hypotheses hypothetical i idea ideal identical identification identified identity if ignore ignored ignoring
illustrates image images imagine immediate immediately immigrants immune immunity implement implementation implemented
implementing implicated implies import importance important imported imposed impossible improve improved impulse in
inch inches incidence incident inclination inclined include included including inclusion incomes incomplete
inconsistent incorporate incorporated incorrect incorrectly increased indeed indefinitely independence independent
independently indicated indicates indicating indication indirect individual individually individuals induce induced
inductance induction inertial infant infected infection inference inflated influence influenced influencing
influential inform informative infringement ingredients inhabit inherited initial initially injected injuries ink
inner input inside insist inspected inspection install installation installing installments instance instances instant
instead instructed instructions instrument insufficient insulated insulation integrate integrated integrating
integration integrity intend intensity interact interchangeable interested interesting interfere interference
interfering interior interpretation interpreted interprets interrupt interviews into intro introduced introduces
intuitively invalid invasion invent invested invitations invite invited invites involve involves irrelevant isn
isolation isotope issued it item items jacket jeans jewel jewelry jog joined joining joke jokes journey jumped jumping
jumps junior justified justify keeps kept keyboard kick kicked kid kidneys kids kill killed kilos kinds kinetic
kitchen knew knock knot knowledge known lab labeled laboratory lack lacking lacks ladder laid lakes landing lanes
language languages lap laptop largely larger lasers lasted lasting lasts latch latitude latter laughed laughing launch
launched laundry lawn lawsuit laying le leaders leading leads leaf leak leap learn learned learns least led leftovers
lemon lemonade length lens lenses lesser lesson lessons lets letters letting libraries lie lies lifetime lift lifting
lighter lighting lightning lights likelihood likes likewise limerick limiting linear lined lineup linked linking links
lion liquid liquids list listed listeners listening lists liters lived lives living lobbying locate located location
locations locked logical long-term longest looking loose lose losing lot loud lounge loves lowered lowering lump lunch
lunches lung luxury lying lyrics magnetic magnetism magnets magnitude mainly maintain maintained maintaining majestic
majority makeup male males mall manage managed manager managing manipulated manner manufacture manufactured
manufacturer many margin marginal marked marketed marketplace marking marriage mask masks massacres masses massive
match matched matching math mathematical mathematics maximize maximizing maximum meal meals mean meaning meaningful
meanwhile measles measured measurement measures measuring mechanic mechanical mechanics mechanism median medication
medieval medium meets melt member membership mental mention mentioned menu merchant merge merit message messages meter
meters method metric microphone microphones microscopic midday midnight midterm miles milestone milk milkshakes
millennia millions mine minimal minimize minimized minimizing minimum minority minus minute missed missing mistake
mistakes mix mixes mixture mobile modeled modeling moderate moderately modification modifications modified modify
molecule molten mom moment moments momentum monitoring monitors monoclonal monthly months moon moreover mores morning
most motel mother motivation mouse mouth moved movements mug multiple multiples multiplied multiply muscle mutually
naive narrow narrower native naturally nature nearby nearer nearest necessarily necessary need needed needing needles
needs negative negligible neighbor neighborhood neighboring neighbors neither neon nervous networks neutral neutrons
newly newspaper nickname nights nodes noise non non-profit noon nor norm normally nose notation notations note noted
nothing noticeably noticed notices noticing noting notion novelist nuclei number numbers numerical numerous object
objective objectives objects observation observe observed observes observing obsessed obstructing obtain obtained
obtaining obtains obvious occasionally occupancy occupied occupy occupying occur occurred occurrence occurring occurs
ocean odd odds offense offered officer offset offspring old-fashioned older oldest omit ones onions onto opened
opening opens operate operates operator operators opinions oppose opposing opposite opted optional orbiting ordered
ordering ordinary ore organ organizations organs oriented origin original originally originate otherwise ounce ounces
ours ourselves outcome outdated outdoor outer outfits outgoing outperform oval overall overcome overdue overhead
overlap oversee overtime owe owes owned owner owns oxygen pack packages packed packing packs padding page pages paid
paint painted paintings pair pants paragraphs parallel parenting parking parody partial partially participant
participants participate participated participating particle particles particular particularly pass passage passed
passengers passes passing passion passive password pasta pastry path paths pathways patient patients patterns payload
pays peak peaks pen penetrate penetration per percent percentage percentages perfect perfectly perform performance
performances performed performing performs periodic periodically periods permanent permanently permits persist
persisted person personal persons persuasive phase phases phenomenon phone phones photograph photography photos phrase
phrases physical piano pick picked picking piece pieces pill pink pipe pipeline pipes pitch placebo places placing
plain plane planes planet planned planted planting plasma plastic plate platform play played player playing playoffs
plays please plot plugging poems pointed pointing points pole polite political politicians poll polls pool pools
poorly pop popcorn popularity populations port portion portraits ports position positioned positive possess possessed
possibilities possibility possibly potato potatoes potential potted pound pounds powerful powers practical practice
practicing prank precede preceding precipitate precise precisely precision predator predators predatory predict
predictable predicted predicting predicts prefer preferences preferred premiere premium prepare prepared preparing
prescription presence present presentation preserve preserved preserving pressed pressures pretty prevent prevented
preventing prevents previous previously priced primarily primitive prince principal principals principle printed
printer prior priority private pro probably problem problems procedures proceed proceeds process processes processing
processor processors produced produces producing product productivity professionals professor program programmers
programming progression prohibited projected projectiles projection projections promised promoter promotion prompt
proof proofs propaganda proper properly proportion proportional proposed proposing protect protein prove proved proven
proves provide provided provides proving psychologist psychology publish published publisher publishes puffs pull
pulled pulley pulling pulmonary pumped pumps punishment purchased purchases pure purposes put puts putting puzzle
puzzles qualified quantities quantity quarters question questions quitting quotation quotes races racing racquets
radial radiation radical radicals radioactivity raft rain rains ran rang range ranges ranging ransom rapid rapidly
rated rating ratio rational ratios rats raw reaches reaching reacted reacting reaction reactions reactor reader
readers readily reads real-world realistic reality realize realized realizes rearranging reasonable reasonably
reasoning reassigned receive received receiving recent recently reception recipe recipes reciprocal reciprocity
recognize recommend recommendation recommendations recommended recorded recurrence recycle recycling reduced reduction
reductions refer referendum referred referring refers reflect reflected reflecting reflection reflects refrain
refrigerators refuse refused refusing regard regarding regardless region regional regions registered registers
registration regrets regular rejected rejecting relates relating relation relationship relationships relative
relatively relatives relaxation relaxed released releases releasing relevant reliable relies remain remainder remained
remaining remark remarks remember reminder remote removal remove removed removing renamed rendered rent rented rents
repaired repairs repeated repeatedly repeating repeats replace replaced replacement replacing replicate replicated
replied reply represent representation representations representatives represented representing represents reprieve
reproduce reproductive reptiles requested require required requirements requires requiring reschedule researcher
researchers resemble residents residual resistant resolution resolving respect respectively respond responded
responding responds response responses responsible restart restaurant restaurants resting restricted restriction
restrictions rests result resultant resulted resulting results retailer returned returning reveal revealed reveals
reverse reversed reverses reversing reviews revolve revolving reward rewards rewritten rid ridden rides riding right
rigid rings rising rob robot rockets rocks rode rods roles roll rolled romantic roof roommate rooms roots roses
rotating rotational rough roughly round rounded routine routing rows rubric ruined ruins ruled runners runs sad safe
safeguard sailboat sake salad sales salesman salon same sample samples sand sandwich sank sat satisfaction
satisfactory satisfied satisfy satisfying sauce saved saves saving saw scale scattered scenario scenarios scene scenes
schedule scheduled schedules schemes scientist score scored scoring scout scream screaming script scripting se
searched season seasonal seasons seating secondary seconds secrecy section sections secure seed seeds seeing seem
seems segment segmentation segments select selected selecting selection selective seller selling semester send sends
seniors sense sensitive sensitivity sent sentence sentiment separate separated separately separates separating
separation serve served serves serving session sessions setting settings settling setup seven seventh severely sex
sexual shade shadow shake shaken shallow shape shaped shapes shared sharing sharks shattered sheets shelf shell
shelter shelves shift shifted shifting shifts shiny shipped shipping ships shirt shirts shock shoes shook shoot
shopkeeper shore shorten shorter shortly shorts shot showing shown shrink shrinking shrunken shuttle sigh sight
signals signed significance significant significantly silence silos similar similarities similarly simple simpler
simplest simplicity simplifying simply simultaneously sin since sine sing single sink sister sit sits sitting
situations size sketch skilled skills skin skip skirt skyscraper slaughter sleeves slew sliced slices slides sliding
slipping slips slogan slopes slots slow slowed slower slowing slowly smaller smallest smell smile smoking smooth snack
snaps sneaker sneakers sniff so so-called soap soda sodium soil solar soldiers sole solid solids solution solutions
solve solved solvents solving some someone sometimes somewhat son songs soon sort sorting sour source souvenir spaces
sparse speak speaking specialist specialized species specific specifically specifications specified specify spectrum
speed speeding speeds spell spend spending spent sperm sphere spilled spin spinning spins spirit splits spoken
spontaneously spots spotted spread sprinkles squares squash stability stabilizing stable stage stages stall stamp
stamped stand standing stands started starting stated statement statements stayed staying steady stealing stem step
stick sticker sticks still stimulated stimulates stimulus stolen stopped stopping stops storage stored stories
straightforward strange stratified straw strawberry straws streamlined streams streets strength stress stretched
strict strictly strikes string strip stripped stripping strongest strongly structural structure structured structures
struggling stuck studied studio studying stuffed style subatomic subcommittees subjects submitted subsequent
substances substantial substitute substituting substitution subtracting succeed succeeding succeeds success successful
successfully succession successor such sudden suddenly suffer sufficient sufficiently suggest suggested suggests
suitable suitcases suited sum summit sums sunbathing sung sunny superintendent superpower supervised supplement
supplementary supplied supported supporting supports suppose supposed surely surface surfaces surgery surprise
surrounded surrounding surveyed surveys survival survived susceptible suspected suspended suspension sustained swaps
sweat swell swift swim swimming switched switching sword symbols symmetrical symptoms syndrome synthesized synthetic
systematic tables tack tagged tags tails taking tale talent talented tall tank tap tape tapped targeted targeting
targets task tattered tea teach teacher teaches teaching team teams technique telling temperature temperatures
temporarily temporary ten tend tendency tends tension term terminating terms tested testing text textbook thank thanks
the them themselves theory therapy there thereafter thereby therefore thermal these they thick thicker thievery thin
things think thinking thinks this though thought thoughts thousand threat threshold threw through throughout throw
thrown throws thrust thrusts thus ticket tidal tide tie tight timetable timing tiny tip tips tires title together
token tomatoes tomorrow ton tone tonic tons took totaling totally totals touches tournament towards towels towing
towns toxic trace tracks tractors traded trader traditional trail train trained trains trait transcribed transcription
transfer transferred transferring transfers transformation transformed transition translate translated translates
translation transmission transmitted trap trapped traveled traveling travels trays treat treatment treatments treats
trees trend trials trick tried tries triggered trim triple tripled trips trivial tropical tropics true truth try
trying tubes tune turn turned turning turns turtle twins type typical typically unable unaffected unauthorized
uncertainty unchanged uncomfortable und under underlying understand understood underwent undetermined unemployed
unequal unexpected unfair unfolded unfolding unfortunately uniform uniformly uniforms unique unity unknown unless
unlike unlimited unnecessary unrelated unshaken unsold unsuccessful unusual unusually up-to-date updates upon upward
uranium us useful user uses using vacancy vacation vacations vaccines vacuum valid values valve vanilla vanish
variability variable variant variation varieties variety various varsity vary vast vault ve vegetable vegetables
vending vendor venues verdict verified version versions versus very vessel vessels veteran via viable vicious videos
village villain violate violating viral virtual virus viruses visible visited visiting visitors visits visual void
volumes voluntary volunteers voters votes vu vulnerability vulnerable wage wait waiting walk walked walking walks
walls wanted wants warehouse warm warmth warning warnings washed washes waste watched watches watching waters wave
waves waxing weaker weakest weakness weapons wear wearing wears weather web wedding weekday weekdays weekend weekends
weeks weigh weighing weight weighted weights well-known went were wet whatsoever wheat wheels when whenever whereas
whether which whichever while whiskey whisper whole whom wide widely widespread wife win window winds winner winners
wired wish witches withdrawing within without wooden wool words worked working workplace workstation workstations worn
worried worse worst wound wrapped writers writes writing written yen yes yesterday yet yielding yields younger
youngest your yourself youth zany zero zeros zone zones zoo
"""
)
