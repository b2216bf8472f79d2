//! In which language something is said. Pure.
//!
//! What one member alone reads is said in the language of his Discord; what everybody reads in the language of the
//! question that it answers, or in the server's; what staff read in the server's.

use serde::{Deserialize, Serialize};

use crate::discord::Interaction;
use crate::server_config::ServerConfig;

/// A language that the bot speaks. It travels with what is said later; a language that another release wrote is read as
/// English.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Lang {
    #[default]
    En,
    De,
    Es,
    Fr,
    PtBr,
    Ru,
    Ja,
}

impl Lang {
    pub const ALL: [Self; 7] = [Self::En, Self::De, Self::Es, Self::Fr, Self::PtBr, Self::Ru, Self::Ja];

    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::De => "de",
            Self::Es => "es",
            Self::Fr => "fr",
            Self::PtBr => "pt-BR",
            Self::Ru => "ru",
            Self::Ja => "ja",
        }
    }

    /// As Discord names it for its own interface.
    pub(super) fn discord_locales(self) -> &'static [&'static str] {
        match self {
            Self::En => &["en-US", "en-GB"],
            Self::De => &["de"],
            Self::Es => &["es-ES", "es-419"],
            Self::Fr => &["fr"],
            Self::PtBr => &["pt-BR"],
            Self::Ru => &["ru"],
            Self::Ja => &["ja"],
        }
    }

    pub(super) fn index(self) -> usize {
        self as usize
    }

    /// The plural of a count, by the rules of Unicode's CLDR for whole numbers:
    /// <https://www.unicode.org/cldr/charts/latest/supplemental/language_plural_rules.html>. The rule of round millions
    /// (es, fr, pt) asks for a preposition that no text of ours has.
    pub(super) fn plural(self, count: u32) -> &'static str {
        match (self, count, count % 10, count % 100) {
            (Self::En | Self::De | Self::Es, 1, ..) | (Self::Fr | Self::PtBr, 0 | 1, ..) => "one",
            (Self::Ru, _, 1, end) if end != 11 => "one",
            (Self::Ru, _, 2..=4, end) if !(12..=14).contains(&end) => "few",
            (Self::Ru, ..) => "many",
            _ => "other",
        }
    }

    /// By the first part of a language tag or locale; none for one that the bot does not speak.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let first = |tag: &str| tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        let wanted = first(tag);
        Self::ALL.into_iter().find(|lang| first(lang.tag()) == wanted)
    }

    /// The server's, as its admins have set it.
    pub fn of_server(config: &ServerConfig) -> Self {
        Self::of_tag(&config.language).unwrap_or_default()
    }

    /// For whoever uses an interaction, and for nobody else.
    pub fn of_member(interaction: &Interaction, config: &ServerConfig) -> Self {
        interaction.locale.as_deref().and_then(Self::of_tag).unwrap_or_else(|| Self::of_server(config))
    }

    /// For everybody who reads the answer to this text.
    pub fn of_text(text: &str, config: &ServerConfig) -> Self {
        Self::detect(text).unwrap_or_else(|| Self::of_server(config))
    }

    /// The language that a text is written in, when it shows. Questions are short: what tells their language are the
    /// small words that every question has, and scripts. A text that looks like a neighbour that the bot does not speak
    /// is none.
    pub fn detect(text: &str) -> Option<Self> {
        let (mut letters, mut kana, mut cyrillic, mut not_russian) = (0, 0, 0, 0);
        for c in text.chars().filter(|c| c.is_alphabetic()) {
            letters += 1;
            kana += usize::from(matches!(c, '\u{3041}'..='\u{30ff}'));
            cyrillic += usize::from(matches!(c, '\u{0400}'..='\u{04ff}'));
            not_russian += usize::from("іїєґўјљњћђџѓќѕІЇЄҐЎ".contains(c));
        }
        if kana > 0 && kana * 10 >= letters {
            return Some(Self::Ja);
        }
        if cyrillic * 2 > letters {
            return (not_russian == 0).then_some(Self::Ru);
        }
        by_small_words(text)
    }
}

fn by_small_words(text: &str) -> Option<Lang> {
    let text = text.to_lowercase();
    let words: Vec<&str> =
        text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).take(MOST_WORDS).collect();
    let count =
        |small: &str| words.iter().filter(|word| small.split(' ').any(|known| known == **word)).count();
    let mut counts: Vec<(usize, Option<Lang>)> =
        SMALL_WORDS.iter().map(|(lang, small)| (count(small), *lang)).collect();
    counts.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let [(most, lang), (next, _), ..] = counts[..] else { return None };
    // One small word alone may be a name or a loan.
    (most >= 2 && most > next).then_some(lang).flatten()
}

/// The rest of a long text says no more of its language.
const MOST_WORDS: usize = 60;

/// Small words by language; those of neighbours keep their texts from being taken for one of ours.
const SMALL_WORDS: [(Option<Lang>, &str); 9] = [
    (
        Some(Lang::En),
        "the a an is are was do does did how what when where why which who can could will would should i my me you \
         your it its we our they to of in on for with from and or not don t there this that have has if be get",
    ),
    (
        Some(Lang::De),
        "der die das den dem ein eine einen einem einer ist sind war wie was wann wo warum wer welche kann kannst \
         könnt könnte muss soll ich mein meine meinen meinem meiner mir mich du dein ihr euer es wir uns zu zum zur \
         von in im am auf für mit aus und oder nicht kein keine gibt es hier das dass habe hat wenn geht man bei nach",
    ),
    (
        Some(Lang::Es),
        "el la los las un una es son está están cómo como qué cuándo cuando dónde donde por porque quién cuál puedo \
         puede pueden debo hay yo mi mis me tu tus su se lo le nos a al de del en para con sin y o no este esta eso \
         tengo tiene si hacer mucho cuánto cuanto cuesta hola",
    ),
    (
        Some(Lang::Fr),
        "le la les un une des est sont comment que quoi quand où pourquoi qui quel quelle quels peux puis peut faut \
         dois je j mon ma mes me moi tu ton vous votre vos il elle on nous se ce cet cette ça c l d qu n à au aux du \
         de en dans pour avec sans sur et ou ne pas plus y a ai avez si est-ce combien faire",
    ),
    (
        Some(Lang::PtBr),
        "o a os as um uma é são está como que quando onde por porque quem qual quais posso pode podem devo tem eu meu \
         minha meus minhas me você vocês seu sua se ele ela nós do da dos das de em no na nos nas ao para pra com sem \
         e ou não este esta isso esse essa tenho tem fazer mais quanto custa já olá",
    ),
    (
        None,
        "il lo gli un uno una è sono come che cosa quando dove perché chi quale posso può devo io mio mia miei mi tu \
         tuo si ci non di del della dei delle al alla da in nel nella per con su e o questo questa ho ha se fare più \
         quanto costa",
    ),
    (
        None,
        "de het een is zijn hoe wat wanneer waar waarom wie welke kan kun kunnen moet ik mijn me mij je jouw jij u uw \
         het wij we ons te van in op voor met uit en of niet geen er dit dat heb heeft als naar bij",
    ),
    (
        None,
        "jest są jak co kiedy gdzie dlaczego kto który mogę można czy ja mój moja mnie mi się nie to w na do z za od \
         dla i lub mam ma jeśli po",
    ),
    (
        None,
        "en ett är hur vad när var varför vem kan jag min mitt mig du din det den de vi att till av i på för med från \
         och eller inte som har om er man hvordan hva hvad jeg er ikke og til det",
    ),
];

impl From<String> for Lang {
    fn from(tag: String) -> Self {
        Self::of_tag(&tag).unwrap_or_default()
    }
}

impl From<Lang> for String {
    fn from(lang: Lang) -> Self {
        lang.tag().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read_in_its_language() {
        for (lang, text) in [
            (Lang::En, "How do I get a refund?"),
            (Lang::En, "can't connect to my server, what can I do"),
            (Lang::De, "Wie bekomme ich mein Geld zurück?"),
            (Lang::De, "wo kann ich das passwort ändern"),
            (Lang::Es, "¿Cómo puedo cambiar mi contraseña?"),
            (Lang::Es, "cuanto cuesta el plan"),
            (Lang::Fr, "Comment est-ce que je change mon mot de passe ?"),
            (Lang::Fr, "j'ai perdu ma clé, que faire"),
            (Lang::PtBr, "Como eu troco a minha senha?"),
            (Lang::PtBr, "quanto custa o plano e como posso pagar"),
            (Lang::Ru, "Как вернуть деньги?"),
            (Lang::Ja, "返金はできますか？"),
        ] {
            assert_eq!(Lang::detect(text), Some(lang), "{text}");
        }
    }

    #[test]
    fn what_is_too_short_or_in_another_language_is_none() {
        for text in [
            "",
            "refund?",
            "hello",
            "¿?",
            "1.21.4",
            "Come posso cambiare la mia password?",
            "Hoe kan ik mijn wachtwoord veranderen?",
            "Як повернути гроші і їх отримати?",
            "Jak mogę zmienić hasło?",
            "如何退款",
        ] {
            assert_eq!(Lang::detect(text), None, "{text}");
        }
    }

    #[test]
    fn the_questions_of_the_demo_are_never_taken_for_another_language() {
        let mut english = 0;
        let all = [
            include_str!("../../demo/knowledge/bike-share/questions.jsonl"),
            include_str!("../../demo/knowledge/game-hosting/questions.jsonl"),
            include_str!("../../demo/knowledge/photo-app/questions.jsonl"),
        ];
        let lines: Vec<&str> = all.iter().flat_map(|file| file.lines()).collect();
        for line in &lines {
            let question: serde_json::Value = serde_json::from_str(line).expect("a question");
            let text = question["question"].as_str().expect("it is text");
            let found = Lang::detect(text);
            assert!(found.is_none_or(|lang| lang == Lang::En), "{found:?}: {text}");
            english += usize::from(found.is_some());
        }
        assert!(english * 10 > lines.len() * 8, "{english} of {}", lines.len());
    }

    #[test]
    fn a_locale_or_tag_names_its_language_and_one_of_another_release_is_english() {
        assert_eq!(Lang::of_tag("es-419"), Some(Lang::Es));
        assert_eq!(Lang::of_tag("pt"), Some(Lang::PtBr));
        assert_eq!(Lang::of_tag("en-GB"), Some(Lang::En));
        assert_eq!(Lang::of_tag("it"), None);
        assert_eq!(serde_json::from_str::<Lang>("\"tlh\"").unwrap(), Lang::En);
        assert_eq!(serde_json::to_string(&Lang::PtBr).unwrap(), "\"pt-BR\"");
    }
}
