"""Every word of the pages, in English and in French."""

# ruff: noqa: E501

from collections.abc import Mapping

LANGUAGES = ("en", "fr")
NAMES = {"en": "English", "fr": "Français"}

# key: English, French
_TEXTS = {
    "fleet": ("Fleet", "Parc"),
    "events": ("Events", "Événements"),
    "audit": ("Commands sent", "Commandes envoyées"),
    "keys": ("My key", "Ma clé"),
    "sign_in": ("Sign in", "Se connecter"),
    "sign_out": ("Sign out", "Se déconnecter"),
    "name": ("Name", "Nom"),
    "password": ("Password", "Mot de passe"),
    "sign_in_failed": (
        "Name or password is wrong, or there were too many failures: wait half a minute.",
        "Nom ou mot de passe incorrect, ou trop d'échecs : attendez une demi-minute.",
    ),
    "language": ("Language", "Langue"),
    "filter": ("Filter by site or device", "Filtrer par site ou appareil"),
    "only_attention": ("Only what wants attention", "Seulement ce qui demande attention"),
    "no_devices": ("No device has said anything yet.", "Aucun appareil ne s'est encore annoncé."),
    "devices": ("devices", "appareils"),
    "good": ("good", "bon"),
    "idle": ("idle", "au repos"),
    "notice": ("to look at", "à voir"),
    "alarm": ("alarm", "alarme"),
    "online": ("online", "en ligne"),
    "silent": ("silent", "muet"),
    "offline": ("offline", "hors ligne"),
    "in_case": ("case", "intervention"),
    "sender": ("sender", "émetteur"),
    "receiver": ("receiver", "récepteur"),
    "broker_lost": (
        "No connection to the broker: what you see is old.",
        "Pas de connexion au courtier : ce que vous voyez est ancien.",
    ),
    "page_lost": (
        "No connection to the console: what you see is old.",
        "Pas de connexion à la console : ce que vous voyez est ancien.",
    ),
    "picture": ("Picture", "Image"),
    "latency": ("Latency, glass to glass", "Latence, de bout en bout"),
    "loss": ("Loss on the path, and after repair", "Perte sur le trajet, et après réparation"),
    "rate": ("Rate", "Débit"),
    "temperature": ("Temperature", "Température"),
    "before_repair": ("on the path", "sur le trajet"),
    "after_repair": ("after repair", "après réparation"),
    "mean": ("mean", "moyenne"),
    "highest": ("highest", "maximum"),
    "last_hour": ("1 hour", "1 heure"),
    "last_day": ("24 hours", "24 heures"),
    "last_week": ("7 days", "7 jours"),
    "as_table": ("As a table", "En tableau"),
    "time": ("Time", "Heure"),
    "charts": ("Charts", "Courbes"),
    "all_figures": ("All figures, now", "Toutes les valeurs, maintenant"),
    "signature": ("Signature", "Signature"),
    "cases": ("Cases", "Interventions"),
    "began": ("Began", "Début"),
    "ended": ("Ended", "Fin"),
    "under_way": ("under way", "en cours"),
    "what": ("What", "Quoi"),
    "cause": ("Cause", "Cause"),
    "device": ("Device", "Appareil"),
    "kind": ("Kind", "Genre"),
    "who": ("Who", "Qui"),
    "outcome": ("Outcome", "Issue"),
    "command": ("Command", "Commande"),
    "commands": ("Commands", "Commandes"),
    "send": ("Send", "Envoyer"),
    "cancel": ("Cancel", "Annuler"),
    "arguments": ("Arguments, one a line: key=value", "Arguments, un par ligne : clé=valeur"),
    "confirm_send": ("Sign and send to", "Signer et envoyer à"),
    "no_key": (
        "This browser has no key to sign with: see 'My key'.",
        "Ce navigateur n'a pas de clé pour signer : voir « Ma clé ».",
    ),
    "unknown_key": (
        "This device does not know your key; it would refuse.",
        "Cet appareil ne connaît pas votre clé ; il refuserait.",
    ),
    "look_only": ("Your role may look, and not command.", "Votre rôle permet de voir, pas de commander."),
    "sent": ("sent", "envoyée"),
    "accepted": ("accepted", "acceptée"),
    "done": ("done", "faite"),
    "failed": ("failed", "échouée"),
    "refused": ("refused", "refusée"),
    "authentic": ("signed by the device", "signée par l'appareil"),
    "not_authentic": ("NOT signed by the device", "NON signée par l'appareil"),
    "settings": ("Settings in force", "Réglages en vigueur"),
    "version": ("Version", "Version"),
    "peer": ("Peer", "Pair"),
    "certificate_until": ("Certificate valid until", "Certificat valable jusqu'au"),
    "key_explained": (
        "Commands are signed here, in this browser, and the console's server never sees the key. "
        "It cannot be taken out of this browser; whoever has this browser has the key.",
        "Les commandes sont signées ici, dans ce navigateur ; le serveur de la console ne voit jamais la clé. "
        "Elle ne peut pas quitter ce navigateur ; qui tient ce navigateur tient la clé.",
    ),
    "key_make": ("Make a new key", "Créer une clé"),
    "key_import": ("Take a key file (PKCS 8, PEM, no password)", "Prendre un fichier de clé (PKCS 8, PEM, sans mot de passe)"),
    "key_forget": ("Forget this key", "Oublier cette clé"),
    "key_none": ("No key in this browser.", "Pas de clé dans ce navigateur."),
    "key_here": ("Key in this browser:", "Clé dans ce navigateur :"),
    "key_line": (
        "For the devices that shall obey it, in operators.toml (the role is the device owner's to choose):",
        "Pour les appareils qui doivent lui obéir, dans operators.toml (le rôle est choisi par leur responsable) :",
    ),
    "key_failed": ("That was no Ed25519 key file.", "Ce n'était pas un fichier de clé Ed25519."),
    "not_found": ("There is no such page or device.", "Cette page ou cet appareil n'existe pas."),
    "live_values": ("Now", "Maintenant"),
    "age": ("Age of the figures", "Âge des valeurs"),
    "no_history": ("No figures for this time.", "Pas de valeurs pour cette période."),
}  # fmt: skip

# What a command will do, said before it is sent. One that is not here is offered by its name alone.
_COMMANDS = {
    "status": ("Asks for the device's whole status.", "Demande l'état complet de l'appareil."),
    "identify": (
        "The device's panel blinks, so that you find the box. Disturbs nothing.",
        "Le panneau de l'appareil clignote pour le retrouver. Ne perturbe rien.",
    ),
    "restart": (
        "Starts a worker or the whole program again: the picture is away for a second or some. Refused during a case.",
        "Redémarre un processus ou tout le programme : l'image manque quelques secondes. Refusé pendant une intervention.",
    ),
    "reboot": (
        "The box starts again: away for a minute. Refused during a case.",
        "L'appareil redémarre : absent une minute. Refusé pendant une intervention.",
    ),
    "set": (
        "Changes settings; they go back by themselves if the link does not return.",
        "Change des réglages ; ils reviennent d'eux-mêmes si la liaison ne se rétablit pas.",
    ),
    "source": ("Switches the video source.", "Change la source vidéo."),
    "layout": ("Replaces the layout of the source's screen.", "Remplace la disposition de l'écran source."),
    "selftest": (
        "Tests the box and the path, up to 30 s.",
        "Teste l'appareil et le trajet, 30 s au plus.",
    ),
    "logs": ("Brings the newest lines of the log; no patient data.", "Apporte les dernières lignes du journal, sans données de patient."),
    "snapshot": (
        "Brings one masked picture; needs consent on the panel.",
        "Apporte une image masquée ; demande l'accord sur le panneau.",
    ),
    "update": ("Installs a new version; needs two signers.", "Installe une nouvelle version ; deux signataires."),
    "wipe": ("Erases the device's identity and data; needs two signers.", "Efface l'identité et les données ; deux signataires."),
}  # fmt: skip


def texts(language: str) -> Mapping[str, str]:
    """By key; what commands do by `does.COMMAND`."""
    column = LANGUAGES.index(language)
    commands = {f"does.{name}": both[column] for name, both in _COMMANDS.items()}
    return {key: both[column] for key, both in _TEXTS.items()} | commands


def best_language(wanted: str, accept_language: str) -> str:
    """`wanted` if it is one of ours, else the first of the browser's that is (RFC 9110, 12.5.4), else English."""
    if wanted in LANGUAGES:
        return wanted
    for choice in accept_language.split(",")[:10]:
        language = choice.split(";")[0].strip()[:2].lower()
        if language in LANGUAGES:
            return language
    return LANGUAGES[0]
