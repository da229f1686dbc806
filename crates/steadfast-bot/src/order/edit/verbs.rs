//! The words that change an order. Data only.

use crate::order::words::Phrases;
use std::sync::LazyLock;

/// What a clause does with what it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Add,
    Remove,
    /// "No", "without": removes only what is named without any word of ordering.
    Without,
    Set,
    /// "Only", "just": sets, and needs a number.
    Only,
    /// Says nothing by itself; may stand before a verb.
    Lead,
}

pub(super) static VERBS: LazyLock<Phrases<Verb>> = LazyLock::new(|| {
    Phrases::new(&[
        (
            Verb::Add,
            "add;please add;also add;also;add also;and also;plus;include;put;add in;añade;añadir;agrega;agregar;agregue;suma;pon;también
             adiciona;adicionar;acrescenta;adicione;inclui;também;ajoute;ajouter;ajoutez;rajoute;rajouter;aussi;hinzufügen;füge;dazu;noch;auch
             aggiungi;aggiungere;anche;voeg;toevoegen;ook;tambah;tambahkan;juga;thêm;ongeza;थप;थप्नुस्;थप्नुहोस्;जोड़ो;जोड़ें;जोड;thapnus;thapa
             jodo;যোগ করুন;যোগ;أضف;اضافة;زيد",
        ),
        (
            Verb::Remove,
            "remove;delete;drop;take off;take out;take away;minus;less;cut;cancel;reduce;remove the;deduct;quita;quitar;quite;elimina;eliminar;saca
             borra;remova;remover;tira;tirar;retira;enlève;enlever;enlevez;retire;retirer;supprime;supprimer;entferne;entfernen;lösche;löschen
             weg mit;streiche;togli;togliere;rimuovi;rimuovere;verwijder;verwijderen;haal weg;hapus;hapuskan;kurangi;buang;xóa;bỏ;bớt;ondoa
             punguza;हटाऊ;हटाउ;हटाउनुस्;हटाउनुहोस्;हटाओ;हटाएं;हटा दो;निकालो;hatau;hataunus;hatao;বাদ;বাদ দিন;বাদ দাও;احذف;شيل;ازل",
        ),
        (
            Verb::Without,
            "no;without;no more;not the;sin;sem;sans;ohne;kein;keine;keinen;senza;zonder;geen;tanpa;không;bila;बिना;بدون;❌;🚫;dont want;i dont want
             we dont want;do not want",
        ),
        (
            Verb::Set,
            "make;make it;make that;make the;change;change it;change it to;change to;change the;set;set it to;update;update the;modify;switch;cambia
             cambiar;cambie;cambia el;cambia la;cambialo a;muda;mudar;altera;alterar;troca;change le;changer;changez;mets;mettez;ändere;ändern;mach
             mache;mach daraus;setze;cambiare;cambialo in;metti;wijzig;wijzigen;maak;maak er;verander;ubah;ganti;jadikan;đổi;sửa;badilisha
             fanya;बदल;बदल्नुस्;बदलो;बदलें;बनाऊ;बनाउनुस्;পরিবর্তন;غير;بدل",
        ),
        (
            Verb::Only,
            "only;just;solo;solamente;apenas;só;somente;seulement;juste;nur;bloß;soltanto;solo;alleen;slechts;hanya;chỉ;tu;मात्र;केवल;सिर्फ;শুধু;فقط",
        ),
        (
            Verb::Lead,
            "please;pls;plz;ok;okay;can you;could you;can you please;could you please;i want to;i would like to;id like to;kindly;actually;sorry;oh;wait
             hmm;then;but;por favor;porfa;bitte;per favore;tolong;कृपया;and;y;e;et;und;en;dan;na;र;और",
        ),
    ])
});
