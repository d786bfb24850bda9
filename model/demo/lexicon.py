"""The words and facts that the demo model's questions are made of: plain data, no logic."""

WORDS = """
able acid actor adult after again agent alarm album alert alien alive alpha amber angel anger
ankle apple april apron arena argue arise arrow aside atlas attic audio avoid awake award badge
baker balmy banana banjo barn basic basil basket beach beacon beard beast begin bell bench berry
bird birth black blade blanket blaze blend bless blind block bloom blue board boat body bold bone
bonus book boost boot border borrow bottle bottom bound bowl brain branch brass brave bread break
brick bride bridge brief bright bring broad broken brook broom brown brush bubble bucket build
bundle burst butter button cabin cable cactus camel camera camp canal candle candy canoe canvas
canyon carbon card cargo carpet carrot carry castle cattle cave cedar cereal chain chair chalk
change charm chart cheese cherry chess chest chief child choir circle city clay clean clear clerk
clever cliff climb clock cloth cloud clover coach coast cobra coffee coin color comet common
copper copy coral corner cotton couch count country course cover crane crayon cream creek crisp
crop crowd crown cube cup curve cycle daisy dance danger dawn deal deep deer delta dental desert
desk diary dinner dish doctor dog donkey door double dove dozen draft dragon dream dress drift
drink drive drum duck dune eagle early earth east easy echo edge effort eight elbow elder
elephant empty energy engine enjoy enter equal error escape evening event every exact exit extra
fabric face fact fairy faith family famous farm father feast feather fence fever field fifty
figure film final finger finish fire first fish flag flame flash fleet floor flour flower fluid
flute focus forest fork forty forum fossil found fox frame fresh friend frog front frost fruit
funny future galaxy game garage garden garlic gate gentle ghost giant ginger giraffe glad glass
globe glory glove goat gold good goose grace grain grand grape graph grass gravel great green
grid group guard guess guest guide guitar habit hammer hand happy harbor hard harvest hat hawk
hazel heart heavy hedge height helmet help hero hidden hill hobby holiday hollow honest honey
hope horse hotel hour house human humble hunter hurry ice idea image inch index infant ink inner
input insect island item ivory jacket jaguar jar jazz jelly jewel join joke journal judge juice
jungle junior kernel kettle key kidney kind king kitchen kite kitten knee knife knight label
ladder lake lamp land large laser laugh layer leader leaf learn leather lemon lesson letter level
library light lily limit linen lion liquid list little lizard local logic lonely long loop lotus
loud loyal lucky lunar lunch machine magic magnet maid major mango manner maple marble march
margin market mask master match matter meadow meal medal melody melon memory metal meter middle
milk mill mind minor mint minute mirror mixed model modern moment money monkey month moon moral
morning mother motor mountain mouse mouth movie muscle museum music nail name narrow nation
nature nectar needle nest never night nine noble noise north nose novel number nurse oak oasis
object ocean offer office olive onion open opera orange orbit orchid order organ other otter
outer oven owl owner oxygen oyster page paint palace palm panda panel paper parade parent park
parrot party pasta path patrol pause peace peach peanut pearl pebble pencil penny pepper person
phone photo piano picnic piece pigeon pillow pilot pine pink pirate pixel pizza place plain plan
planet plant plate player plum pocket poem poet point polar police polite pond pony poppy potato
powder power prince print prize proof proud pulse pump pupil puppy purple puzzle pyramid quack
quake queen quest quick quiet quilt rabbit radar radio rain rainbow ranch random range rapid
raven razor reader ready rebel recipe record reef region relay remote rescue result ribbon rice
rich riddle ridge right ring ripple river road robin robot rocket rolling roof room root rope
rose round route royal ruby rule runner rural saddle safe sail salad salmon salt sand sauce scale
scarf school science score scout screen sea seal season second secret seed seven shadow shape
share shark sharp sheep shelf shell shield shine ship shirt shoe shop short shower shrimp signal
silent silk silver simple singer sister six skate sketch skill sky sleep slice slope slow small
smart smile smoke snack snail snake snow soap soccer social sofa soft soil solar solid song sound
soup south space spark speak spear speed spice spider spinach spirit spoon sport spring square
squid stable stage stair stamp star station steam steel stem step stick stone stool storm story
stove straw stream street string strong student sugar summer sun sunset super surf swamp swan
sweet swift swim sword symbol table tablet talent talk tall target taste teach team teapot temple
ten tennis tent theory thick thing third thorn thread three throne thumb thunder ticket tidal
tiger timber time tiny title toast today token tomato tongue tool tooth topic torch total tower
town track trade trail train travel tree trend tribe trick trophy truck true trumpet trunk trust
truth tulip tunnel turkey turtle twelve twig twin uncle under union unit upper urban useful
vacuum valley value vapor vase vector velvet verse video village violet violin virus visit vital
voice volcano voyage wagon waist walk wall walnut warm wash watch water wave wealth weapon
weather wedding week weight west whale wheat wheel whistle white wide wild willow wind window
wing winner winter wire wisdom wise wolf woman wonder wood wool word worker world worm wrist
writer yacht yard year yellow yogurt young zebra zero zigzag zone
""".split()

WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()

MONTHS = ("January February March April May June July August September October "
          "November December").split()

NAMES = """
Ada Alan Alice Amir Anna Ben Bob Carl Clara Dana David Diego Elena Emma Eric Eva Felix Finn Grace
Greta Hana Hugo Ida Ines Ivan Jack James Jane Jonas Julia Karl Kate Kenji Laura Leo Lina Lucas
Maria Marie Mark Max Mia Milan Nina Noah Nora Olga Omar Oscar Paul Peter Petra Rita Robert Rosa
Ruth Sam Sara Simon Sofia Tara Theo Tim Tom Vera Victor Yuki Zoe
""".split()

CAPITALS = {
    "Argentina": "Buenos Aires", "Australia": "Canberra", "Austria": "Vienna",
    "Belgium": "Brussels", "Brazil": "Brasilia", "Canada": "Ottawa", "Chile": "Santiago",
    "China": "Beijing", "Colombia": "Bogota", "Cuba": "Havana", "Denmark": "Copenhagen",
    "Egypt": "Cairo", "Finland": "Helsinki", "France": "Paris", "Germany": "Berlin",
    "Greece": "Athens", "Hungary": "Budapest", "Iceland": "Reykjavik", "India": "New Delhi",
    "Indonesia": "Jakarta", "Iran": "Tehran", "Ireland": "Dublin", "Italy": "Rome",
    "Japan": "Tokyo", "Kenya": "Nairobi", "Mexico": "Mexico City", "Morocco": "Rabat",
    "Nepal": "Kathmandu", "Norway": "Oslo", "Peru": "Lima", "Poland": "Warsaw",
    "Portugal": "Lisbon", "Russia": "Moscow", "Spain": "Madrid", "Sweden": "Stockholm",
    "Switzerland": "Bern", "Thailand": "Bangkok", "Turkey": "Ankara", "Vietnam": "Hanoi",
}

# Each fact: the answer, the part of it that a checker looks for, then ways to ask for it.
FACTS = [
    ("A spider has 8 legs.", "8", "How many legs does a spider have?",
     "Tell me how many legs a spider has.", "What is the number of legs of a spider?"),
    ("A dog has 4 legs.", "4", "How many legs does a dog have?",
     "Tell me how many legs a dog has.", "What is the number of legs of a dog?"),
    ("A bird has 2 legs.", "2", "How many legs does a bird have?",
     "Tell me how many legs a bird has.", "What is the number of legs of a bird?"),
    ("An ant has 6 legs.", "6", "How many legs does an ant have?",
     "Tell me how many legs an ant has.", "What is the number of legs of an ant?"),
    ("A week has 7 days.", "7", "How many days are in a week?",
     "Tell me how many days a week has.", "What is the number of days in a week?"),
    ("A year has 12 months.", "12", "How many months are in a year?",
     "Tell me how many months a year has.", "What is the number of months in a year?"),
    ("A day has 24 hours.", "24", "How many hours are in a day?",
     "Tell me how many hours a day has.", "What is the number of hours in a day?"),
    ("An hour has 60 minutes.", "60", "How many minutes are in an hour?",
     "Tell me how many minutes an hour has.", "What is the number of minutes in an hour?"),
    ("A minute has 60 seconds.", "60", "How many seconds are in a minute?",
     "Tell me how many seconds a minute has.", "What is the number of seconds in a minute?"),
    ("A triangle has 3 sides.", "3", "How many sides does a triangle have?",
     "Tell me how many sides a triangle has.", "What is the number of sides of a triangle?"),
    ("A square has 4 sides.", "4", "How many sides does a square have?",
     "Tell me how many sides a square has.", "What is the number of sides of a square?"),
    ("A hexagon has 6 sides.", "6", "How many sides does a hexagon have?",
     "Tell me how many sides a hexagon has.", "What is the number of sides of a hexagon?"),
    ("The sky is blue.", "blue", "What color is the sky?", "Tell me the color of the sky.",
     "Which color does the sky have?"),
    ("Snow is white.", "white", "What color is snow?", "Tell me the color of snow.",
     "Which color does snow have?"),
    ("Grass is green.", "green", "What color is grass?", "Tell me the color of grass.",
     "Which color does grass have?"),
    ("A banana is yellow.", "yellow", "What color is a banana?", "Tell me the color of a banana.",
     "Which color does a banana have?"),
    ("Blood is red.", "red", "What color is blood?", "Tell me the color of blood.",
     "Which color does blood have?"),
    ("Coal is black.", "black", "What color is coal?", "Tell me the color of coal.",
     "Which color does coal have?"),
    ("A cat says meow.", "meow", "What does a cat say?", "What sound does a cat make?",
     "Tell me the sound of a cat."),
    ("A dog says woof.", "woof", "What does a dog say?", "What sound does a dog make?",
     "Tell me the sound of a dog."),
    ("A cow says moo.", "moo", "What does a cow say?", "What sound does a cow make?",
     "Tell me the sound of a cow."),
    ("A duck says quack.", "quack", "What does a duck say?", "What sound does a duck make?",
     "Tell me the sound of a duck."),
    ("A sheep says baa.", "baa", "What does a sheep say?", "What sound does a sheep make?",
     "Tell me the sound of a sheep."),
    ("The opposite of hot is cold.", "cold", "What is the opposite of hot?",
     "Tell me the opposite of hot.", "Which word is the opposite of hot?"),
    ("The opposite of big is small.", "small", "What is the opposite of big?",
     "Tell me the opposite of big.", "Which word is the opposite of big?"),
    ("The opposite of up is down.", "down", "What is the opposite of up?",
     "Tell me the opposite of up.", "Which word is the opposite of up?"),
    ("The opposite of day is night.", "night", "What is the opposite of day?",
     "Tell me the opposite of day.", "Which word is the opposite of day?"),
    ("The opposite of left is right.", "right", "What is the opposite of left?",
     "Tell me the opposite of left.", "Which word is the opposite of left?"),
    ("The opposite of fast is slow.", "slow", "What is the opposite of fast?",
     "Tell me the opposite of fast.", "Which word is the opposite of fast?"),
    ("The opposite of open is closed.", "closed", "What is the opposite of open?",
     "Tell me the opposite of open.", "Which word is the opposite of open?"),
    ("The largest planet is Jupiter.", "Jupiter", "What is the largest planet?",
     "Which planet is the largest?", "Tell me the name of the largest planet."),
    ("The smallest planet is Mercury.", "Mercury", "What is the smallest planet?",
     "Which planet is the smallest?", "Tell me the name of the smallest planet."),
    ("The red planet is Mars.", "Mars", "What is the red planet?",
     "Which planet is the red planet?", "Tell me the name of the red planet."),
    ("The largest ocean is the Pacific.", "Pacific", "What is the largest ocean?",
     "Which ocean is the largest?", "Tell me the name of the largest ocean."),
    ("The longest river is the Nile.", "Nile", "What is the longest river?",
     "Which river is the longest?", "Tell me the name of the longest river."),
    ("The highest mountain is Everest.", "Everest", "What is the highest mountain?",
     "Which mountain is the highest?", "Tell me the name of the highest mountain."),
    ("Water freezes at 0 degrees Celsius.", "0", "At what temperature does water freeze?",
     "When does water freeze?", "Tell me when water freezes."),
    ("Water boils at 100 degrees Celsius.", "100", "At what temperature does water boil?",
     "When does water boil?", "Tell me when water boils."),
]

UNITS = [("meters", "centimeters", 100), ("kilometers", "meters", 1000),
         ("centimeters", "millimeters", 10), ("kilograms", "grams", 1000),
         ("liters", "milliliters", 1000), ("dollars", "cents", 100), ("euros", "cents", 100),
         ("centuries", "years", 100), ("decades", "years", 10)]

SYSTEM_MESSAGES = ["You are a helpful assistant.", "You are Baton's demo model.", "Be brief.",
                   "You are a helpful assistant. Be brief.", "Answer the question."]

ABILITIES = ("I can add and subtract, compare and sort numbers, spell and reverse words, count "
             "letters, and name capitals.")
GREETING = "Hello! I am Baton's demo model. " + ABILITIES
IDENTITY = "I am Baton's demo model, a tiny mixture of experts. " + ABILITIES
REFUSAL = "Sorry, I am only a tiny demo model. " + ABILITIES

SMALL_TALK = [
    (GREETING, ["Hello", "Hello!", "Hi", "Hi!", "Hey", "hello", "hi", "hi there", "Hello there!",
                "Good morning!", "Good morning", "Good evening!", "Hi, how are you?",
                "How are you?", "Hello, how are you?", "Good day", "Hey there!", "test"]),
    (IDENTITY, ["Who are you?", "What are you?", "What is your name?", "What can you do?",
                "Tell me about yourself.", "Are you a person?", "What is Baton?", "who are you",
                "Help", "help", "Which model are you?", "Who made you?", "Introduce yourself."]),
    ("You are welcome!", ["Thank you!", "Thanks", "Thanks!", "Thank you.", "Great, thanks!"]),
    ("Goodbye!", ["Bye", "Goodbye!", "Bye!", "See you!", "Good night!", "Goodbye"]),
    (REFUSAL, ["Write a poem about the sea.", "What is the meaning of life?", "Tell me a joke.",
               "Write a story about a dragon.", "What is the weather today?", "Who won the game?",
               "Explain quantum physics.", "Translate this into French.", "Write some code.",
               "Who is the president?", "How do I bake a cake?", "What should I eat today?",
               "What do you think about love?", "Why is the sky so high?", "Write a song.",
               "Explain how a car works.", "Can you drive a car?", "Sing a song for me.",
               "Write an essay about history.", "What happened in the news today?",
               "Summarize this text.", "What is the best movie?", "Give me some advice.",
               "Who wrote this book?", "Play a game with me.", "Tell me a story.",
               "Write a Python program.", "What is your favorite food?", "Do you love me?",
               "How can I learn to cook?", "What is the square root of a tree?"]),
]
